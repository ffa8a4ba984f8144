"""Pure functions without weights, on keras.ops or plain Python."""
