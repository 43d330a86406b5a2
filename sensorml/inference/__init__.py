"""The TFLite runtime: verified model files, and engines that run them."""
