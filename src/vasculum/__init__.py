"""vasculum: an image informatics system."""
