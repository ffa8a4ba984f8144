"""Other people's weights in our networks: tables of names, readers of their files, where to get them."""
