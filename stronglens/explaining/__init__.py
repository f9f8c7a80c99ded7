"""Explanations of trained networks: what in an image their outputs depend on, and whether a map of it is true.

Tasks say which outputs are explained (``explaining.py``) and what an image looks like without what is looked for
(``twins.py``). This package does the rest. It imports nothing here: a check of a request must not load Keras.
"""
