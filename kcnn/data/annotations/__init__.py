"""Annotations as data sets bring them: VOC's XML, COCO's JSON and YOLO's text, read to one form.

Importing this package imports no TensorFlow.
"""
