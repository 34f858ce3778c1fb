// Carries the flags of the installed MPI to CMPI, which alone includes its header: the macros there
// cannot be imported.
