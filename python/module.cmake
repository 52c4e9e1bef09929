# The module behind the Python package, python/_narrow.*.so in the build's folder, and what goes into its wheel.
set(Python_EXECUTABLE ${NARROW_PACKAGE_PYTHON})
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module ${SKBUILD_SABI_COMPONENT})
execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE nanobind_ROOT
  COMMAND_ERROR_IS_FATAL ANY)
find_package(nanobind CONFIG REQUIRED)
nanobind_add_module(narrow_python NB_STATIC STABLE_ABI ${CMAKE_CURRENT_LIST_DIR}/module.cc)
set_target_properties(narrow_python PROPERTIES OUTPUT_NAME _narrow LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/python)
target_compile_options(nanobind-static PRIVATE -w)
target_compile_options(narrow_python PRIVATE -Wno-conversion -Wno-shadow)
target_compile_definitions(narrow_python PRIVATE NARROW_VERSION="${PROJECT_VERSION}")
target_link_libraries(narrow_python PRIVATE narrow_engine narrow_files narrow_study narrow_hls4ml narrow_search)
# What the libraries of others define stays inside: the process may hold other versions of them.
target_link_options(narrow_python PRIVATE -Wl,--exclude-libs,ALL)
nanobind_add_stub(narrow_python_stub MODULE _narrow OUTPUT ${CMAKE_BINARY_DIR}/python/_narrow.pyi PYTHON_PATH ${CMAKE_BINARY_DIR}/python
  DEPENDS narrow_python)
add_custom_target(narrow_package ALL DEPENDS narrow narrow_python narrow_python_stub)
install(FILES ${CMAKE_BINARY_DIR}/python/_narrow.pyi DESTINATION narrow COMPONENT python)
install(TARGETS narrow_python LIBRARY DESTINATION narrow COMPONENT python)
install(TARGETS narrow RUNTIME DESTINATION narrow/bin COMPONENT python)
install(FILES ${CMAKE_SOURCE_DIR}/src/hls4ml/nnet_ksum.h ${CMAKE_SOURCE_DIR}/src/hls4ml/nnet_ksum_parallel.h DESTINATION narrow COMPONENT python)
