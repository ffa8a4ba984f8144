"""Looking into networks: any Keras model and the name of a layer."""
