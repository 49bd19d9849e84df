# The engine, the clock and the store: with threads, sockets and the system's clock.
foreach(name departure granted lateness pacer_step realtime setting spin transmit)
	unit_test(${name} test_reference)
endforeach()
foreach(name address clock clock_kernel clock_round collector engine heap loop pacer socket worker)
	unit_test(${name} test_reference)
endforeach()
unit_test(store storage)
unit_test(store_fetch storage)

# The archive.
unit_test(archive storage)
unit_test(archive_clock storage)
# Brings archive.c and a schema of its own.
unit_test(archive_migrate owamp PkgConfig::SQLITE)
target_include_directories(test_archive_migrate PRIVATE ${PROJECT_SOURCE_DIR})
unit_test(histogram storage)
foreach(name summary summary_counts summary_rebuild)
	unit_test(${name} storage)
	target_sources(test_${name} PRIVATE summary_reference.c)
endforeach()

# The writer.
foreach(name queue retention writer writer_clock writer_disk writer_trouble)
	unit_test(${name} storage)
endforeach()

# Hardware clocks, and the interfaces that have them.
foreach(name clock_phc hardware phc phc_device phc_faults phc_source ptp4l ptp_view ptp_wire)
	unit_test(${name} test_reference)
endforeach()

# The collector's parts.
foreach(name arrival collector_drops collector_hardware collector_look collector_port
	collector_port_many collector_step collector_trouble)
	unit_test(${name} test_reference)
endforeach()
target_link_options(test_collector_trouble PRIVATE -Wl,--wrap=owamp_receiver_packet)

# What the clock's sources say, weighed.
foreach(name clock_property clock_select clock_select_conflict clock_select_holdover clock_select_step
	clock_select_words clock_track)
	unit_test(${name} test_reference)
endforeach()
target_sources(test_clock_property PRIVATE clock_world.c)
# The library shows no selection: brings its own.
unit_test(clock_drift_archive storage)
foreach(part choice conflict interval select select_status select_text track words)
	target_sources(test_clock_drift_archive PRIVATE ${PROJECT_SOURCE_DIR}/clock/${part}.c)
endforeach()

# What gpsd and its like say.
foreach(name gps_json gps_receivers gps_second gpsd gpsd_opening gpsd_owner mark shm shm_privileges)
	unit_test(${name} test_reference)
endforeach()

# chronyd, the kernel, leap seconds and steps.
foreach(name chrony chrony_judge chrony_wire leap step)
	unit_test(${name} test_reference)
endforeach()
target_link_options(test_clock_kernel PRIVATE -Wl,--wrap=adjtimex)
