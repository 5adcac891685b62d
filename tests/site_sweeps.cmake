# Sweeps over the sites of a renewal (faults/sites/README.md): what changes files or is seen outside, by a shim before the C
# library; and our own allocations, by the linker, in a program that is otherwise the same.
add_library(fault_memory OBJECT support/fault_memory.c)
add_library(fault_shim SHARED support/fault_shim.c $<TARGET_OBJECTS:fault_memory>)
add_library(fault_allocations OBJECT support/fault_allocations.c)
# Not swept themselves, and loaded by programs without sanitizers too.
get_target_property(options fault_shim COMPILE_OPTIONS)
list(FILTER options EXCLUDE REGEX "sanitize|coverage")
foreach(part fault_memory fault_shim fault_allocations)
	target_compile_definitions(${part} PRIVATE _GNU_SOURCE)
	set_target_properties(${part} PROPERTIES COMPILE_OPTIONS "${options}" C_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON)
endforeach()
set_target_properties(fault_shim PROPERTIES LINK_OPTIONS "-Wl,-z,defs")
add_executable(hwacme_swept ${PROJECT_SOURCE_DIR}/src/cli/hwacme.c $<TARGET_OBJECTS:fault_allocations> $<TARGET_OBJECTS:fault_memory>)
target_link_libraries(hwacme_swept PRIVATE cli)
# What else allocates for its caller is not called in our code: the sweep looks.
target_link_options(hwacme_swept PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup)
# The long sweeps take hours: a limit for those who run them (faults/sites/README.md).
set(HWACME_SWEEP_TIMEOUT 1200 CACHE STRING "seconds that a sweep over sites may take")
foreach(case memory "kill renew softhsm" "kill renew swtpm" "errors renew softhsm" "errors renew swtpm" "power renew softhsm"
	"power renew swtpm" "kill enrol softhsm" "kill commands softhsm"
	"run_kill renew softhsm" "run_power renew softhsm" "run_kill enrol softhsm" "run_power enrol softhsm" "errors enrol softhsm" "power enrol softhsm")
	separate_arguments(words UNIX_COMMAND "${case}")
	list(JOIN words "_" name)
	add_test(NAME faults.sites_${name} COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/faults/site_sweep.sh ${words})
	set_tests_properties(faults.sites_${name} PROPERTIES LABELS "faults;sites" TIMEOUT ${HWACME_SWEEP_TIMEOUT} ENVIRONMENT
		"HWACME=$<TARGET_FILE:hwacme>;SWEPT=$<TARGET_FILE:hwacme_swept>;FAULT_SHIM=$<TARGET_FILE:fault_shim>;SOURCE=${PROJECT_SOURCE_DIR};BUILD=${CMAKE_BINARY_DIR}")
endforeach()
