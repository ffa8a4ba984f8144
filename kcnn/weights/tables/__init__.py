"""One file a family: how keras.applications, torchvision and timm call the layers of that family."""
