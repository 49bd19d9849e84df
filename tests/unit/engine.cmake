# The engine, the clock and the store: with threads, sockets and the system's clock.
foreach(name address clock clock_kernel collector engine heap loop pacer socket worker)
	unit_test(${name} test_reference)
endforeach()
unit_test(store storage)
