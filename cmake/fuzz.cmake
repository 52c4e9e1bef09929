set(NARROW_FUZZ_SECONDS 5 CACHE STRING "How long each fuzzer runs as a test")

# A fuzzer for each kind of input: fuzz/NAME.cc, with its corpus in fuzz/corpus/NAME. Each links the libraries it needs and no more.
function(narrow_fuzzer name)
  add_executable(fuzz_${name} EXCLUDE_FROM_ALL fuzz/${name}.cc)
  target_include_directories(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(fuzz_${name} PRIVATE ${ARGN})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers fuzz_${name})
  add_test(NAME fuzz_${name} COMMAND ${CMAKE_SOURCE_DIR}/fuzz/run ${NARROW_FUZZ_SECONDS} ${name})
  set_tests_properties(fuzz_${name} PROPERTIES ENVIRONMENT FUZZ_BUILD=${CMAKE_BINARY_DIR} TIMEOUT 3600)
endfunction()

# Of a study what reads, without the engine.
add_library(fuzzed_study STATIC EXCLUDE_FROM_ALL src/study/grid.cc src/study/definition.cc src/study/resamples.cc src/study/means.cc src/study/classes.cc
  src/study/classification.cc src/study/comparison.cc
  src/study/metric.cc src/study/metrics.cc src/study/database.cc src/study/schema.cc src/study/store_lock.cc src/study/store.cc src/study/store_read.cc src/study/store_merge.cc)
target_compile_definitions(fuzzed_study PRIVATE NARROW_VERSION="${PROJECT_VERSION}")
target_link_libraries(fuzzed_study PUBLIC narrow_precision narrow_train SQLite::SQLite3)

# Fuzzers are led by the branches taken here; kernels would take minutes to compile so.
foreach(part fixed model layers precision data keras onnx train)
  target_compile_options(narrow_${part} PRIVATE -fsanitize=fuzzer-no-link)
endforeach()
target_compile_options(fuzzed_study PRIVATE -fsanitize=fuzzer-no-link)

add_custom_target(fuzzers)
find_package(ZLIB REQUIRED)  # HDF5 and libzip need it too
narrow_fuzzer(model narrow_keras ZLIB::ZLIB)
narrow_fuzzer(architecture narrow_keras)
narrow_fuzzer(onnx narrow_onnx)
narrow_fuzzer(samples narrow_data ZLIB::ZLIB)
narrow_fuzzer(clusters narrow_data ZLIB::ZLIB)
narrow_fuzzer(checkpoint narrow_train)
narrow_fuzzer(precision narrow_precision)
narrow_fuzzer(definition fuzzed_study)
narrow_fuzzer(study fuzzed_study)
narrow_fuzzer(words fuzzed_study)
