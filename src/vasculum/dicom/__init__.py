"""DICOM: the only floor that says "tag".

Reading starts at `read.describe_file`, `series.assemble_series` and `voxels.read_values`.
"""
