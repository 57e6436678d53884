"""Surface meshes: STL, PLY, OBJ, legacy VTK and VTP polydata, OFF, GIFTI."""

FORMATS = ()
