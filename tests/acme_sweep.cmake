# The ACME sweep (faults/acme/README.md): a program that a script starts beside a SoftHSM and the test RA.
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/faults/acme/*.c)
add_executable(acme_sweep ${sources})
target_compile_definitions(acme_sweep PRIVATE _GNU_SOURCE)
target_link_libraries(acme_sweep PRIVATE ${HWACME_ALL} PkgConfig::CURL PkgConfig::JANSSON)
add_test(NAME faults.acme_sweep_test COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/faults/acme_sweep_test.sh)
set_tests_properties(faults.acme_sweep_test PROPERTIES LABELS faults TIMEOUT 600
	ENVIRONMENT "ACME_SWEEP=$<TARGET_FILE:acme_sweep>;SOURCE=${PROJECT_SOURCE_DIR};BUILD=${CMAKE_BINARY_DIR}")
