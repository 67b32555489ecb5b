# The build's vocabulary: compiler settings, the outside libraries, and one function for each kind
# of target.
#
#   reeve_library(name SOURCES a.c b.c LIBS reeve_base)       static library, position independent
#   reeve_shared_library(name SOURCES a.c WHOLE reeve_owner LIBS reeve_base HOT hot.txt)
#                                                             shared library; nothing of WHOLE is
#                                                             left out, referenced or not; the
#                                                             functions that HOT lists lie side by
#                                                             side, in its order
#   reeve_program(name SOURCES main.c LIBS reeve)             program in build/bin
#   reeve_unit_test(name SOURCES x_test.c LIBS reeve_base)    cmocka, a ctest labelled `unit`
#   reeve_fuzz_target(name SOURCES x_fuzz.c LIBS reeve_base)  a ctest labelled `fuzz`
#   reeve_add_test(test COMMAND…)                             add_test; in sanitizer builds, reports fail it
#   reeve_test_settings(test LABELS unit TIMEOUT 60)          for tests registered by reeve_add_test
#   reeve_add_folders(a b c)                                  add_subdirectory for those that exist
#
# Outside libraries are targets: Reeve::nng, Reeve::uv, Reeve::msgpack, Reeve::protobuf_c,
# Reeve::sqlite3, Reeve::sodium, Reeve::popt, Reeve::xxhash, Reeve::jansson, Reeve::cmocka,
# Reeve::openssl_headers.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_SANITIZE "-O1 -g")

add_compile_definitions(_GNU_SOURCE REEVE_VERSION="${PROJECT_VERSION}")
add_compile_options(-Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla
    -Wno-missing-field-initializers -fno-omit-frame-pointer)
# A cold call pays for every cache line it touches: no jump tables, no call to find a thread's variables (there is one, of
# less than 1 KiB, which the loader's reserve holds also where the library is loaded late).
add_compile_options(-fno-jump-tables -fno-plt -ftls-model=initial-exec -ffunction-sections)
# what a failed assertion says holds no folder of whoever built it
add_compile_options("-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
if(REEVE_WERROR)
    add_compile_options(-Werror)
endif()

if(REEVE_SANITIZE STREQUAL "address")
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
    add_link_options(-fsanitize=address,undefined)
elseif(REEVE_SANITIZE STREQUAL "thread")
    add_compile_options(-fsanitize=thread)
    add_link_options(-fsanitize=thread)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-Wno-tsan) # fences are not modelled; they are not an error
    endif()
elseif(REEVE_SANITIZE)
    message(FATAL_ERROR "REEVE_SANITIZE=${REEVE_SANITIZE}: use address or thread")
else()
    add_compile_options("$<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>")
endif()

if(REEVE_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "REEVE_FUZZ needs clang: use the preset `fuzz`")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# --- outside libraries ---

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# reeve_find(target pkg-config-name debian-package): an imported target Reeve::target.
function(reeve_find target module package)
    pkg_check_modules(REEVE_${target} IMPORTED_TARGET GLOBAL QUIET ${module})
    if(NOT REEVE_${target}_FOUND)
        message(FATAL_ERROR
            "missing library ${module}: install ${package} (or run deploy/install-packages)")
    endif()
    add_library(Reeve::${target} ALIAS PkgConfig::REEVE_${target})
endfunction()

reeve_find(msgpack msgpack libmsgpack-dev)
reeve_find(uv libuv libuv1-dev)
reeve_find(protobuf_c libprotobuf-c libprotobuf-c-dev)
reeve_find(sqlite3 sqlite3 libsqlite3-dev)
reeve_find(sodium libsodium libsodium-dev)
reeve_find(popt popt libpopt-dev)
reeve_find(xxhash libxxhash libxxhash-dev)
reeve_find(jansson jansson libjansson-dev)
reeve_find(png libpng libpng-dev) # of examples/mandelbrot only
# Without cmocka everything but the unit tests can be built.
pkg_check_modules(REEVE_cmocka IMPORTED_TARGET GLOBAL QUIET cmocka)
if(REEVE_cmocka_FOUND)
    add_library(Reeve::cmocka ALIAS PkgConfig::REEVE_cmocka)
elseif(REEVE_TESTS)
    message(STATUS "no unit tests: libcmocka-dev is not installed")
endif()

# nng ships no pkg-config file, and its CMake file names libraries that only static linking needs.
find_path(REEVE_NNG_INCLUDE nng/nng.h)
find_library(REEVE_NNG_LIBRARY nng)
if(NOT REEVE_NNG_INCLUDE OR NOT REEVE_NNG_LIBRARY)
    message(FATAL_ERROR "missing library nng: install libnng-dev (or run deploy/install-packages)")
endif()
add_library(Reeve::nng UNKNOWN IMPORTED GLOBAL)
set_target_properties(Reeve::nng PROPERTIES
    IMPORTED_LOCATION "${REEVE_NNG_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${REEVE_NNG_INCLUDE}"
    INTERFACE_LINK_LIBRARIES Threads::Threads)

# Nor does http-parser, of which examples/http_server is the only user.
find_path(REEVE_HTTP_PARSER_INCLUDE http_parser.h)
find_library(REEVE_HTTP_PARSER_LIBRARY http_parser)
if(NOT REEVE_HTTP_PARSER_INCLUDE OR NOT REEVE_HTTP_PARSER_LIBRARY)
    message(FATAL_ERROR "missing library http-parser: install libhttp-parser-dev (or run deploy/install-packages)")
endif()
add_library(Reeve::http_parser UNKNOWN IMPORTED GLOBAL)
set_target_properties(Reeve::http_parser PROPERTIES
    IMPORTED_LOCATION "${REEVE_HTTP_PARSER_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${REEVE_HTTP_PARSER_INCLUDE}")

# OpenSSL is loaded when an address wants TLS (runtime/wire/tls.h): of it the build needs the headers only.
find_path(REEVE_OPENSSL_INCLUDE openssl/ssl.h)
if(NOT REEVE_OPENSSL_INCLUDE)
    message(FATAL_ERROR "missing headers of OpenSSL 3: install libssl-dev (or run deploy/install-packages)")
endif()
add_library(Reeve::openssl_headers INTERFACE IMPORTED GLOBAL)
target_include_directories(Reeve::openssl_headers INTERFACE "${REEVE_OPENSSL_INCLUDE}")

find_program(REEVE_PROTOC_C protoc-c)

# Tests use the system's Python, whatever else is first in PATH.
set(REEVE_PYTHON /usr/bin/python3 CACHE FILEPATH "Python that runs the tests")

# --- kinds of target ---

function(reeve_add_folders)
    foreach(folder IN LISTS ARGN)
        if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt")
            add_subdirectory(${folder})
        endif()
    endforeach()
endfunction()

# What every target of ours has in common: sees the tree from its root, and the public header as
# <reeve.h>.
function(reeve_target_settings name)
    target_include_directories(${name} PUBLIC
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>"
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/api/include>")
endfunction()

function(reeve_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
    add_library(${name} STATIC ${arg_SOURCES})
    reeve_target_settings(${name})
    target_link_libraries(${name} PUBLIC ${arg_LIBS})
endfunction()

# What it links stays its own affair: programs that link it see its public header and nothing else.
# Give as WHOLE
# the static libraries that hold public functions, for a linker takes only what is referenced from others.
function(reeve_shared_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "HOT" "SOURCES;WHOLE;LIBS")
    add_library(${name} SHARED ${arg_SOURCES})
    target_include_directories(${name}
        PRIVATE "${PROJECT_SOURCE_DIR}"
        PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/api/include>")
    foreach(whole IN LISTS arg_WHOLE)
        target_link_libraries(${name} PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,${whole}>")
    endforeach()
    target_link_libraries(${name} PRIVATE ${arg_LIBS})
    if(arg_HOT AND NOT REEVE_SANITIZE)
        reeve_order_functions(${name} "${CMAKE_CURRENT_SOURCE_DIR}/${arg_HOT}")
    endif()
endfunction()

# A section of the functions in `list`, one name a line, in that order, in front of all others.
function(reeve_order_functions name list)
    file(STRINGS "${list}" functions REGEX "^[^#]")
    set(inputs "")
    foreach(function IN LISTS functions)
        string(APPEND inputs "
        *(.text.${function} .text.${function}.isra.* .text.${function}.constprop.* .text.${function}.part.*)")
    endforeach()
    set(script "${CMAKE_CURRENT_BINARY_DIR}/${name}_hot.ld")
    file(CONFIGURE OUTPUT "${script}" CONTENT
"SECTIONS
{
    .text.hot_path : { ${inputs} }
}
INSERT BEFORE .text;
SECTIONS
{
    .rodata.constants : { *(.rodata.cst4 .rodata.cst8 .rodata.cst16 .rodata.cst32) }
}
INSERT BEFORE .rodata;
")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${list}")
    include(CheckLinkerFlag)
    check_linker_flag(C "-Wl,-T,${script}" REEVE_LINKER_ORDERS)
    if(REEVE_LINKER_ORDERS)
        target_link_options(${name} PRIVATE "-Wl,-T,${script}")
        set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS "${script}")
    endif()
endfunction()

# Everything but the tests: what deploy/run builds.
add_custom_target(product)

function(reeve_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
    add_executable(${name} ${arg_SOURCES})
    reeve_target_settings(${name})
    target_link_libraries(${name} PRIVATE ${arg_LIBS})
    add_dependencies(product ${name})
endfunction()

# How sanitizers behave in tests. deploy/*.supp name, with reasons, what is not ours to mend.
set(REEVE_TEST_ENVIRONMENT "")
if(REEVE_SANITIZE STREQUAL "address")
    set(REEVE_TEST_ENVIRONMENT
        "ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
        "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
        "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/deploy/lsan.supp:print_suppressions=0")
elseif(REEVE_SANITIZE STREQUAL "thread")
    # A second at each process's end, as it has without being told, is most of what tests of many processes take.
    set(REEVE_TEST_ENVIRONMENT
        "TSAN_OPTIONS=atexit_sleep_ms=50:second_deadlock_stack=1:suppressions=${PROJECT_SOURCE_DIR}/deploy/tsan.supp:print_suppressions=0")
endif()

# The first word of COMMAND may be a target. Sanitizer builds run it by tests/sanitized.py.
function(reeve_add_test name)
    set(command ${ARGN})
    if(REEVE_SANITIZE)
        list(POP_FRONT command program)
        if(TARGET ${program})
            set(program "$<TARGET_FILE:${program}>")
        endif()
        list(PREPEND command "${REEVE_PYTHON}" -B "${PROJECT_SOURCE_DIR}/tests/sanitized.py"
            "${PROJECT_BINARY_DIR}/reports/${name}" "${program}")
    endif()
    add_test(NAME ${name} COMMAND ${command} WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
endfunction()

function(reeve_test_settings name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LABELS;ENVIRONMENT")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    if(REEVE_SANITIZE AND NOT "e2e" IN_LIST arg_LABELS) # those know for themselves
        math(EXPR arg_TIMEOUT "4 * ${arg_TIMEOUT}")
    endif()
    set(environment ${REEVE_TEST_ENVIRONMENT} ${arg_ENVIRONMENT})
    if("e2e" IN_LIST arg_LABELS)
        list(TRANSFORM environment REPLACE "/lsan\\.supp" "/lsan-daemons.supp")
    endif()
    set_tests_properties(${name} PROPERTIES
        LABELS "${arg_LABELS}"
        TIMEOUT ${arg_TIMEOUT}
        SKIP_RETURN_CODE 77
        ENVIRONMENT "${environment}")
endfunction()

# The pure cores: no socket, clock, file or thread (tests/style shows it).
set(REEVE_PURE_CORES reeve_sched reeve_node_core reeve_store reeve_owner)

# A test of a pure core alone has one thread: the label `one_thread` keeps it from ThreadSanitizer, which could find nothing.
function(reeve_unit_test name)
    if(NOT REEVE_TESTS OR NOT REEVE_cmocka_FOUND)
        return()
    endif()
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LIBS;LABELS")
    add_executable(${name} ${arg_SOURCES})
    reeve_target_settings(${name})
    target_link_libraries(${name} PRIVATE ${arg_LIBS} Reeve::cmocka)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    reeve_add_test(${name} ${name})
    if(NOT arg_LABELS)
        set(arg_LABELS unit)
    endif()
    set(shells ${arg_LIBS})
    list(REMOVE_ITEM shells ${REEVE_PURE_CORES})
    if(NOT shells AND arg_LIBS)
        list(APPEND arg_LABELS one_thread)
    endif()
    reeve_test_settings(${name} LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT})
endfunction()

# A fuzz target defines LLVMFuzzerTestOneInput. Under the preset `fuzz` libFuzzer drives it; in any
# other build tests/fuzz/driver.c does, which takes the same options. The ctest replays
# tests/fuzz/corpus/<name> and a few thousand mutations of it; the empty folder before it receives
# what libFuzzer finds.
function(reeve_fuzz_target name)
    if(NOT REEVE_TESTS)
        return()
    endif()
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "RUNS" "SOURCES;LIBS")
    if(NOT arg_RUNS)
        set(arg_RUNS 20000)
    endif()
    add_executable(${name} ${arg_SOURCES})
    reeve_target_settings(${name})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    target_link_libraries(${name} PRIVATE ${arg_LIBS})
    if(REEVE_FUZZ)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/driver.c")
    endif()
    set(found "${PROJECT_BINARY_DIR}/fuzz/${name}")
    file(MAKE_DIRECTORY "${found}")
    set(corpus "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    if(NOT EXISTS "${corpus}")
        set(corpus "")
    endif()
    reeve_add_test(${name} ${name} -runs=${arg_RUNS} -seed=1 "${found}" ${corpus})
    set_tests_properties(${name} PROPERTIES WORKING_DIRECTORY "${found}")
    reeve_test_settings(${name} LABELS fuzz TIMEOUT 120)
endfunction()
