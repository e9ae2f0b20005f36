# Writes OUT with the commit of the source tree, "-dirty" when it has changes, "unknown" without git.
# The file is touched only when that changes, so nothing is rebuilt needlessly.
execute_process(COMMAND git describe --always --dirty --abbrev=12 --exclude=*
	OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE result)
if(NOT result EQUAL 0)
	set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#define GRADUS_COMMIT \"${commit}\"\n")
