"""Task finding: is there a strong lens in an image?"""
