find_package(GTest REQUIRED)
include(GoogleTest)

# A test beside what it tests: src/PART/NAME.cc.
function(narrow_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES" ${ARGN})
  list(TRANSFORM arg_SOURCES PREPEND src/)
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_USES} GTest::gtest)
  target_compile_definitions(${name} PRIVATE NARROW_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
endfunction()

narrow_test(golden_test SOURCES engine/golden_test.cc engine/golden.cc USES narrow_engine narrow_keras)
add_test(NAME golden COMMAND golden_test)
