# The manual: pages for `man`, made of the command's help texts and of the comments of the public headers, and the
# configuration by which Doxygen makes a reference of those (doxygen build/reference/Doxyfile).
#
# The pages are part of the build where there is a Python; the library and the command do not need it.
set(REEVE_MANUAL "")
configure_file("${PROJECT_SOURCE_DIR}/deploy/manual/Doxyfile.in" "${PROJECT_BINARY_DIR}/reference/Doxyfile" @ONLY)

if(TARGET reeve_cli AND NOT REEVE_SANITIZE AND EXISTS "${REEVE_PYTHON}")
    set(REEVE_MANUAL "${PROJECT_BINARY_DIR}/manual")
    file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/api/include/*.h")
    string(TIMESTAMP date "%Y-%m-%d" UTC) # of SOURCE_DATE_EPOCH, where that is set
    add_custom_command(OUTPUT "${REEVE_MANUAL}/written"
        COMMAND ${CMAKE_COMMAND} -E rm -rf "${REEVE_MANUAL}"
        COMMAND "${REEVE_PYTHON}" -B "${PROJECT_SOURCE_DIR}/deploy/manual/pages.py"
            "${PROJECT_SOURCE_DIR}" "$<TARGET_FILE:reeve_cli>" "${PROJECT_VERSION}" "${date}" "${REEVE_MANUAL}"
        COMMAND ${CMAKE_COMMAND} -E touch "${REEVE_MANUAL}/written"
        DEPENDS reeve_cli ${headers}
            "${PROJECT_SOURCE_DIR}/deploy/manual/pages.py" "${PROJECT_SOURCE_DIR}/deploy/manual/header.py"
        VERBATIM)
    add_custom_target(manual ALL DEPENDS "${REEVE_MANUAL}/written")
    add_dependencies(product manual)
endif()
