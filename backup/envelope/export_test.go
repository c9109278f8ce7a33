package envelope

// OpenCBC is the reading of .enc files after their key was derived, which is slow on purpose.
var OpenCBC = openCBC
