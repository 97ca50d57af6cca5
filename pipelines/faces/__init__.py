"""Frames, landmarks and alignment: from image files to a face that holds still."""
