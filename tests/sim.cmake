# The daemon in virtual time: its real parts, with a clock, an HTTP, tokens and hooks of the test's own in the place of the
# system's.  Objects, not a library: what they define is taken before any archive is looked into.
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/sim/*.c)
set(simulations ${sources})
list(FILTER simulations INCLUDE REGEX "_test\\.c$")
list(FILTER sources EXCLUDE REGEX "_test\\.c$")
add_library(sim OBJECT ${sources})
target_compile_definitions(sim PUBLIC _GNU_SOURCE)
target_include_directories(sim PUBLIC ${HWACME_SUPPORT})
target_link_libraries(sim PUBLIC daemon page renewal processes acme challenge crypto state config tokens base PkgConfig::CMOCKA PkgConfig::OPENSSL
	PkgConfig::JANSSON)
foreach(call store_instance store_certificate_load store_certificate_save store_account_load store_account_save store_availability_load
		store_availability_change store_retired_drop archive_stage archive_switch)
	target_link_options(sim INTERFACE -Wl,--wrap=${call})
endforeach()
foreach(source IN LISTS simulations)
	get_filename_component(test ${source} NAME_WE)
	add_executable(${test} ${source})
	target_link_libraries(${test} PRIVATE sim)
	add_test(NAME sim.${test} COMMAND ${test})
	set_tests_properties(sim.${test} PROPERTIES LABELS sim TIMEOUT 1500)
endforeach()
