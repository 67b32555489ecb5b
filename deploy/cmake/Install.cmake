# What `cmake --install` installs, of what exists:
#
#   bin/reeve                       the command
#   lib/libreeve.so.0               the client library (libreeve.so for linking)
#   include/reeve*.h                the public header and what it includes
#   lib/pkgconfig/reeve.pc          cc program.c $(pkg-config --cflags --libs reeve)
#                                   (the program finds the library wherever the prefix is)
#   lib/cmake/reeve/                find_package(reeve) gives reeve::reeve
#   lib/systemd/system/             units for head and node daemons
#   share/doc/reeve/                licence, read-me
#   share/man/man1, man3            the manual, where it was made (Manual.cmake)
#
# The tree can be moved after it was installed: nothing holds the prefix but the units of systemd, which want full paths.
include(CMakePackageConfigHelpers)

if(TARGET reeve)
    set_target_properties(reeve PROPERTIES
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR})
    target_include_directories(reeve INTERFACE "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
    install(TARGETS reeve EXPORT reeveTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

    file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/api/include/*.h")
    install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

    set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/reeve")
    install(EXPORT reeveTargets NAMESPACE reeve:: DESTINATION ${package_folder})
    configure_package_config_file(
        "${PROJECT_SOURCE_DIR}/deploy/cmake/reeveConfig.cmake.in"
        "${PROJECT_BINARY_DIR}/package/reeveConfig.cmake"
        INSTALL_DESTINATION ${package_folder})
    write_basic_package_version_file(
        "${PROJECT_BINARY_DIR}/package/reeveConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
    install(FILES
        "${PROJECT_BINARY_DIR}/package/reeveConfig.cmake"
        "${PROJECT_BINARY_DIR}/package/reeveConfigVersion.cmake"
        DESTINATION ${package_folder})

    # from the folder of reeve.pc up to the prefix
    file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" REEVE_PC_UP "${up}")
    configure_file("${PROJECT_SOURCE_DIR}/deploy/cmake/reeve.pc.in"
        "${PROJECT_BINARY_DIR}/package/reeve.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/package/reeve.pc"
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()

if(TARGET reeve_cli)
    # the command finds the library beside it, wherever both are
    file(RELATIVE_PATH library "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
    set_target_properties(reeve_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${library}")
    install(TARGETS reeve_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

    # written when installing, because only then is the prefix known for certain
    foreach(unit reeve-head.service reeve-worker@.service)
        install(CODE "
            set(REEVE_BIN_FOLDER \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
            set(REEVE_DOC_FOLDER \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}\")
            set(unit \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/${unit}\")
            message(STATUS \"Installing: \$ENV{DESTDIR}\${unit}\")
            configure_file(\"${PROJECT_SOURCE_DIR}/deploy/systemd/${unit}.in\" \"\$ENV{DESTDIR}\${unit}\" @ONLY)")
    endforeach()
endif()

if(REEVE_MANUAL)
    install(DIRECTORY "${REEVE_MANUAL}/" DESTINATION ${CMAKE_INSTALL_MANDIR} PATTERN written EXCLUDE)
endif()

foreach(document LICENSE README.md)
    if(EXISTS "${PROJECT_SOURCE_DIR}/${document}")
        install(FILES "${PROJECT_SOURCE_DIR}/${document}" DESTINATION ${CMAKE_INSTALL_DOCDIR})
    endif()
endforeach()
