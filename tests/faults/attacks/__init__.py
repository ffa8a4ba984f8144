"""Files made to do harm, and a place to open them in. None is kept: each test makes its own."""
