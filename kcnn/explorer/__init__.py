"""The page to play with convolutions and with a model: its files, its small server, its export."""
