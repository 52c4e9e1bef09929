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

# Without a main of its own.
function(narrow_gtest name)
  narrow_test(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
endfunction()

# Random networks with random types, and how a failure becomes the smallest one: of properties.
add_library(random_programs STATIC src/engine/random_program.cc src/engine/shrink.cc)
target_link_libraries(random_programs PUBLIC narrow_engine)

narrow_test(golden_test SOURCES engine/golden_test.cc engine/golden.cc USES narrow_engine narrow_files)
add_test(NAME golden_test COMMAND golden_test)

narrow_gtest(interpreter_test SOURCES engine/interpreter_test.cc USES random_programs)
narrow_gtest(engine_test SOURCES engine/engine_test.cc USES random_programs)
narrow_gtest(bounds_test SOURCES engine/bounds_test.cc USES random_programs)
narrow_gtest(matrix_product_test SOURCES engine/matrix_product_test.cc USES random_programs)
narrow_gtest(cost_test SOURCES cost/cost_test.cc USES random_programs narrow_cost nlohmann_json::nlohmann_json)
narrow_gtest(fpga_test SOURCES cost/fpga_test.cc USES narrow_cost)
narrow_gtest(quantizer_test SOURCES keras/quantizer_test.cc USES narrow_keras)
narrow_gtest(reader_test SOURCES keras/reader_test.cc USES narrow_keras)
narrow_gtest(precision_test SOURCES precision/precision_test.cc USES random_programs narrow_keras)
narrow_gtest(onnx_test SOURCES onnx/reader_test.cc USES narrow_onnx)
narrow_gtest(data_test SOURCES data/data_test.cc USES narrow_data)
if(TARGET narrow_torch)
  narrow_gtest(train_test SOURCES train/train_test.cc USES narrow_train)
endif()
narrow_gtest(search_test SOURCES search/search_test.cc USES narrow_search narrow_files)
narrow_gtest(recover_test SOURCES recover/recover_test.cc USES random_programs narrow_recover narrow_files)
narrow_gtest(study_test SOURCES study/study_test.cc USES narrow_study)

# Doses of ./check --full: docs/testing.md has what each takes.
if(NARROW_FULL)
  set_tests_properties(engine_test PROPERTIES ENVIRONMENT NARROW_CASES=5000 TIMEOUT 7200)
  set_tests_properties(interpreter_test bounds_test matrix_product_test PROPERTIES ENVIRONMENT NARROW_CASES=30000 TIMEOUT 7200)
endif()

# AMD's headers are the oracle for casts. The test of all small types is cut into slices, one a rounding mode, so that
# compilers can share the work.
if(NARROW_AP_TYPES)
  function(narrow_ap_types_test name)
    narrow_gtest(${name} ${ARGN} USES narrow_fixed)
    target_include_directories(${name} SYSTEM PRIVATE ${NARROW_AP_TYPES})
    # The headers assert what they then handle (a shift by more bits than there are), and warn a lot. Compile time matters
    # more than speed here.
    target_compile_definitions(${name} PRIVATE NDEBUG)
    target_compile_options(${name} PRIVATE -w -O0)
  endfunction()
  narrow_ap_types_test(cast_other_test SOURCES fixed/cast_other_test.cc)
  # hls4ml's own C++ stands beside them.
  narrow_ap_types_test(layers_test SOURCES layers/hls4ml_test.cc)
  # Those of Vitis stand in the place of Vivado's, as in a project that hls4ml writes.
  target_include_directories(layers_test SYSTEM PRIVATE ${NARROW_AP_TYPES}/../../vitis/nnet_utils ${NARROW_AP_TYPES}/../nnet_utils)
  target_link_libraries(layers_test PRIVATE narrow_layers)
  foreach(slice RANGE 6)
    narrow_ap_types_test(cast_test_${slice} SOURCES fixed/cast_test.cc)
    target_compile_definitions(cast_test_${slice} PRIVATE NARROW_CAST_SLICE=${slice} $<$<BOOL:${NARROW_FULL}>:NARROW_CAST_ALL>)
  endforeach()
else()
  message(STATUS "NARROW_AP_TYPES is not set: casts are not tested against AMD's headers")
endif()

# What tools/mutate.py breaks on purpose is still there to be broken.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  add_test(NAME mutations_stand COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/mutate.py --list)
endif()

# The counts of src/cost/testdata/yosys.csv, of three of its layers.
find_program(YOSYS yosys)
if(Python3_FOUND AND YOSYS)
  add_test(NAME yosys_test COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/circuits.py check ${CMAKE_SOURCE_DIR}/src/cost/testdata/yosys.csv)
else()
  message(STATUS "yosys is not here: counted circuits are not counted again")
endif()

# What needs Python with Keras and hls4ml.
if(NARROW_PYTHON)
  function(narrow_pytest name file)
    add_test(NAME ${name} COMMAND ${NARROW_PYTHON} -m pytest -q -p no:cacheprovider ${CMAKE_SOURCE_DIR}/${file})
    set_tests_properties(${name} PROPERTIES
      ENVIRONMENT "NARROW=$<TARGET_FILE:narrow>;NARROW_ROOT_PYTHON=${NARROW_ROOT_PYTHON};PYTHONDONTWRITEBYTECODE=1")
  endfunction()
  if(NARROW_ROOT)
    # The Python to which the wheel belongs: SITE_PACKAGES/ROOT is three folders below it.
    set(NARROW_ROOT_PYTHON ${NARROW_ROOT}/../../../../bin/python)
  endif()
  narrow_pytest(data_files_test src/data/data_test.py)
  narrow_pytest(events_test src/data/events_test.py)
  if(NARROW_SANITIZE AND NARROW_ROOT)
    # LeakSanitizer itself crashes at the end of a program that has loaded ROOT ("Tracer caught signal 11").
    set_property(TEST data_files_test events_test APPEND PROPERTY ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
  endif()
  if(TARGET narrow_torch)
    narrow_pytest(training_test src/train/train_test.py)
  endif()
  narrow_pytest(keras_test src/keras/keras_test.py)
  narrow_pytest(networks_test src/keras/networks_test.py)
  narrow_pytest(hls4ml_config_test src/precision/hls4ml_config_test.py)
  narrow_pytest(hls4ml_project_test src/hls4ml/project_test.py)
  narrow_pytest(store_test src/study/store_test.py)
  narrow_pytest(metrics_test src/study/metrics_test.py)
  narrow_pytest(classes_test src/study/classes_test.py)
  if(TARGET narrow_torch)
    narrow_pytest(run_test src/study/run_test.py)
  endif()
  narrow_pytest(machines_test src/study/machines_test.py)
  if(TARGET narrow_torch AND NARROW_VEGA_BUNDLE AND NARROW_FIGURES_PYTHON)
    narrow_pytest(report_test src/report/report_test.py)
  endif()
  narrow_pytest(command_search_test src/search/search_test.py)
  narrow_pytest(study_search_test src/search/study_search_test.py)
  narrow_pytest(command_recover_test src/recover/recover_test.py)
  narrow_pytest(profile_test src/search/profile_test.py)
  narrow_pytest(cli_test src/app/cli_test.py)
  narrow_pytest(docs_test docs/docs_test.py)

  # Random networks through the real hls4ml, compiled here and now.
  if(NARROW_FULL)
    set(dose --models 20 --cases 4)
  else()
    set(dose --models 2 --cases 2)
  endif()
  add_test(NAME hls4ml_answers COMMAND ${NARROW_PYTHON} ${CMAKE_SOURCE_DIR}/tools/random_golden.py ${CMAKE_BINARY_DIR}/live ${dose})
  add_test(NAME hls4ml_test COMMAND golden_test)
  set_tests_properties(hls4ml_answers PROPERTIES FIXTURES_SETUP live TIMEOUT 7200)
  set_tests_properties(hls4ml_test PROPERTIES FIXTURES_REQUIRED live ENVIRONMENT NARROW_GOLDEN=${CMAKE_BINARY_DIR}/live)
  set(with_hls4mls_compiler hls4ml_answers hls4ml_project_test docs_test)
else()
  message(STATUS "NARROW_PYTHON is not set: live Keras and hls4ml are not tested against")
endif()

# The Python package, from its wheel.
if(NARROW_PACKAGE_PYTHON)
  set(package_test ${NARROW_PACKAGE_PYTHON} ${CMAKE_SOURCE_DIR}/python/package_test.py ${CMAKE_BINARY_DIR})
  add_test(NAME python_package_test COMMAND ${package_test})
  if(NARROW_PYTHON)
    add_test(NAME python_hls4ml_test COMMAND ${package_test} ${NARROW_PYTHON})
    list(APPEND with_hls4mls_compiler python_hls4ml_test)
  endif()
endif()

if(with_hls4mls_compiler AND NOT NARROW_FULL)
  set_tests_properties(${with_hls4mls_compiler} PROPERTIES ENVIRONMENT_MODIFICATION PATH=path_list_prepend:${CMAKE_SOURCE_DIR}/tools/unoptimized)
endif()

# The code obeys its own rules.
find_program(CLANG_FORMAT clang-format-14)
if(CLANG_FORMAT)
  file(GLOB_RECURSE all_sources ${CMAKE_SOURCE_DIR}/src/*.cc ${CMAKE_SOURCE_DIR}/src/*.h ${CMAKE_SOURCE_DIR}/bench/*.cc ${CMAKE_SOURCE_DIR}/python/*.cc)
  add_test(NAME clang_format COMMAND ${CLANG_FORMAT} --dry-run --Werror ${all_sources})
endif()
find_program(CLANG_TIDY clang-tidy-14)
if(CLANG_TIDY AND Python3_FOUND)
  add_test(NAME clang_tidy COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/tidy.py ${CMAKE_BINARY_DIR} --jobs 1)
endif()

# What takes longest begins first, or it would run alone at the end.
function(narrow_costs)
  foreach(pair ${ARGN})
    string(REPLACE "=" ";" pair ${pair})
    list(GET pair 0 name)
    list(GET pair 1 seconds)
    if(TEST ${name})
      set_tests_properties(${name} PROPERTIES COST ${seconds})
    endif()
  endforeach()
endfunction()
narrow_costs(hls4ml_answers=1500 engine_test=900 clang_tidy=600 python_package_test=400 store_test=300 report_test=270 run_test=220 data_files_test=200
  training_test=200 hls4ml_project_test=190 python_hls4ml_test=180 docs_test=100 keras_test=100 metrics_test=100 cli_test=90 command_search_test=60 events_test=60
  machines_test=50 classes_test=40 command_recover_test=30 yosys_test=20)
