"""One module a kind of file: recognise by content, describe without voxels, read lazily."""
