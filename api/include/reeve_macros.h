/* reeve_macros.h - counting and repeating, for the macros of reeve_typed.h, which includes it.
 * Not for direct use. */
#ifndef REEVE_MACROS_H
#define REEVE_MACROS_H

/* How many arguments: 1 to 33. */
#define REEVE_COUNT(...)                                                                          \
    REEVE_COUNT_(__VA_ARGS__, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, \
        16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define REEVE_COUNT_(p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, \
    p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30, p31, p32, p33, count, ...)  \
    count

/* REEVE_EACH(m, c, p1, p2, ...) is m(c, 1, p1) m(c, 2, p2) ...; REEVE_LIST puts commas between
 * them. */
#define REEVE_EACH(m, ...) REEVE_JOIN(REEVE_EACH_, REEVE_COUNT(__VA_ARGS__))(m, __VA_ARGS__)
#define REEVE_LIST(m, ...) REEVE_JOIN(REEVE_LIST_, REEVE_COUNT(__VA_ARGS__))(m, __VA_ARGS__)
#define REEVE_EACH_1(m, c)
#define REEVE_EACH_2(m, c, p1)                 m(c, 1, p1)
#define REEVE_EACH_3(m, c, p1, p2)             REEVE_EACH_2(m, c, p1) m(c, 2, p2)
#define REEVE_EACH_4(m, c, p1, p2, p3)         REEVE_EACH_3(m, c, p1, p2) m(c, 3, p3)
#define REEVE_EACH_5(m, c, p1, p2, p3, p4)     REEVE_EACH_4(m, c, p1, p2, p3) m(c, 4, p4)
#define REEVE_EACH_6(m, c, p1, p2, p3, p4, p5) REEVE_EACH_5(m, c, p1, p2, p3, p4) m(c, 5, p5)
#define REEVE_EACH_7(m, c, p1, p2, p3, p4, p5, p6) \
    REEVE_EACH_6(m, c, p1, p2, p3, p4, p5) m(c, 6, p6)
#define REEVE_EACH_8(m, c, p1, p2, p3, p4, p5, p6, p7) \
    REEVE_EACH_7(m, c, p1, p2, p3, p4, p5, p6) m(c, 7, p7)
#define REEVE_EACH_9(m, c, p1, p2, p3, p4, p5, p6, p7, p8) \
    REEVE_EACH_8(m, c, p1, p2, p3, p4, p5, p6, p7)         \
    m(c, 8, p8)
#define REEVE_EACH_10(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9) \
    REEVE_EACH_9(m, c, p1, p2, p3, p4, p5, p6, p7, p8) m(c, 9, p9)
#define REEVE_EACH_11(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10) \
    REEVE_EACH_10(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9) m(c, 10, p10)
#define REEVE_EACH_12(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11) \
    REEVE_EACH_11(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10) m(c, 11, p11)
#define REEVE_EACH_13(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12) \
    REEVE_EACH_12(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11) m(c, 12, p12)
#define REEVE_EACH_14(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13) \
    REEVE_EACH_13(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12) m(c, 13, p13)
#define REEVE_EACH_15(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14) \
    REEVE_EACH_14(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13) m(c, 14, p14)
#define REEVE_EACH_16(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15) \
    REEVE_EACH_15(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14) m(c, 15, p15)
#define REEVE_EACH_17(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16) \
    REEVE_EACH_16(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15)          \
    m(c, 16, p16)
#define REEVE_EACH_18(                                                                         \
    m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17)          \
    REEVE_EACH_17(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16) \
    m(c, 17, p17)
#define REEVE_EACH_19(                                                                     \
    m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18) \
    REEVE_EACH_18(                                                                         \
        m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17)  \
    m(c, 18, p18)
#define REEVE_EACH_20(                                                                          \
    m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19) \
    REEVE_EACH_19(                                                                              \
        m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18)  \
    m(c, 19, p19)
#define REEVE_EACH_21(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20)                                                                            \
    REEVE_EACH_20(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19)                                                                             \
    m(c, 20, p20)
#define REEVE_EACH_22(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21)                                                                       \
    REEVE_EACH_21(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20)                                                                        \
    m(c, 21, p21)
#define REEVE_EACH_23(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22)                                                                  \
    REEVE_EACH_22(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21)                                                                   \
    m(c, 22, p22)
#define REEVE_EACH_24(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23)                                                             \
    REEVE_EACH_23(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22)                                                              \
    m(c, 23, p23)
#define REEVE_EACH_25(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24)                                                        \
    REEVE_EACH_24(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23)                                                         \
    m(c, 24, p24)
#define REEVE_EACH_26(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25)                                                   \
    REEVE_EACH_25(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24)                                                    \
    m(c, 25, p25)
#define REEVE_EACH_27(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26)                                              \
    REEVE_EACH_26(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25)                                               \
    m(c, 26, p26)
#define REEVE_EACH_28(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27)                                         \
    REEVE_EACH_27(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26)                                          \
    m(c, 27, p27)
#define REEVE_EACH_29(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28)                                    \
    REEVE_EACH_28(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27)                                     \
    m(c, 28, p28)
#define REEVE_EACH_30(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29)                               \
    REEVE_EACH_29(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28)                                \
    m(c, 29, p29)
#define REEVE_EACH_31(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30)                          \
    REEVE_EACH_30(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29)                           \
    m(c, 30, p30)
#define REEVE_EACH_32(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30, p31)                     \
    REEVE_EACH_31(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30)                      \
    m(c, 31, p31)
#define REEVE_EACH_33(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30, p31, p32)                \
    REEVE_EACH_32(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30, p31)                 \
    m(c, 32, p32)
#define REEVE_LIST_1(m, c)
#define REEVE_LIST_2(m, c, p1)                 m(c, 1, p1)
#define REEVE_LIST_3(m, c, p1, p2)             REEVE_LIST_2(m, c, p1), m(c, 2, p2)
#define REEVE_LIST_4(m, c, p1, p2, p3)         REEVE_LIST_3(m, c, p1, p2), m(c, 3, p3)
#define REEVE_LIST_5(m, c, p1, p2, p3, p4)     REEVE_LIST_4(m, c, p1, p2, p3), m(c, 4, p4)
#define REEVE_LIST_6(m, c, p1, p2, p3, p4, p5) REEVE_LIST_5(m, c, p1, p2, p3, p4), m(c, 5, p5)
#define REEVE_LIST_7(m, c, p1, p2, p3, p4, p5, p6) \
    REEVE_LIST_6(m, c, p1, p2, p3, p4, p5), m(c, 6, p6)
#define REEVE_LIST_8(m, c, p1, p2, p3, p4, p5, p6, p7) \
    REEVE_LIST_7(m, c, p1, p2, p3, p4, p5, p6), m(c, 7, p7)
#define REEVE_LIST_9(m, c, p1, p2, p3, p4, p5, p6, p7, p8) \
    REEVE_LIST_8(m, c, p1, p2, p3, p4, p5, p6, p7), m(c, 8, p8)
#define REEVE_LIST_10(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9) \
    REEVE_LIST_9(m, c, p1, p2, p3, p4, p5, p6, p7, p8), m(c, 9, p9)
#define REEVE_LIST_11(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10) \
    REEVE_LIST_10(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9), m(c, 10, p10)
#define REEVE_LIST_12(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11) \
    REEVE_LIST_11(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10), m(c, 11, p11)
#define REEVE_LIST_13(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12) \
    REEVE_LIST_12(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11), m(c, 12, p12)
#define REEVE_LIST_14(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13) \
    REEVE_LIST_13(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12), m(c, 13, p13)
#define REEVE_LIST_15(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14) \
    REEVE_LIST_14(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13), m(c, 14, p14)
#define REEVE_LIST_16(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15) \
    REEVE_LIST_15(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14), m(c, 15, p15)
#define REEVE_LIST_17(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16) \
    REEVE_LIST_16(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15),         \
        m(c, 16, p16)
#define REEVE_LIST_18(                                                                          \
    m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17)           \
    REEVE_LIST_17(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16), \
        m(c, 17, p17)
#define REEVE_LIST_19(                                                                     \
    m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18) \
    REEVE_LIST_18(                                                                         \
        m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17), \
        m(c, 18, p18)
#define REEVE_LIST_20(                                                                          \
    m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19) \
    REEVE_LIST_19(                                                                              \
        m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18), \
        m(c, 19, p19)
#define REEVE_LIST_21(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20)                                                                            \
    REEVE_LIST_20(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19),                                                                            \
        m(c, 20, p20)
#define REEVE_LIST_22(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21)                                                                       \
    REEVE_LIST_21(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20),                                                                       \
        m(c, 21, p21)
#define REEVE_LIST_23(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22)                                                                  \
    REEVE_LIST_22(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21),                                                                  \
        m(c, 22, p22)
#define REEVE_LIST_24(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23)                                                             \
    REEVE_LIST_23(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22),                                                             \
        m(c, 23, p23)
#define REEVE_LIST_25(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24)                                                        \
    REEVE_LIST_24(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23),                                                        \
        m(c, 24, p24)
#define REEVE_LIST_26(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25)                                                   \
    REEVE_LIST_25(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24),                                                   \
        m(c, 25, p25)
#define REEVE_LIST_27(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26)                                              \
    REEVE_LIST_26(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25),                                              \
        m(c, 26, p26)
#define REEVE_LIST_28(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27)                                         \
    REEVE_LIST_27(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26),                                         \
        m(c, 27, p27)
#define REEVE_LIST_29(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28)                                    \
    REEVE_LIST_28(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27),                                    \
        m(c, 28, p28)
#define REEVE_LIST_30(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29)                               \
    REEVE_LIST_29(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28),                               \
        m(c, 29, p29)
#define REEVE_LIST_31(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30)                          \
    REEVE_LIST_30(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29),                          \
        m(c, 30, p30)
#define REEVE_LIST_32(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30, p31)                     \
    REEVE_LIST_31(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30),                     \
        m(c, 31, p31)
#define REEVE_LIST_33(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, \
    p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30, p31, p32)                \
    REEVE_LIST_32(m, c, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16,     \
        p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30, p31),                \
        m(c, 32, p32)

/* reeve_call with 0 to 16 arguments. */
#define REEVE_CALL_1(o, fn)         fn##_call(o)
#define REEVE_CALL_2(o, fn, a1)     fn##_call(o, REEVE_PICK(fn, 1, a1))
#define REEVE_CALL_3(o, fn, a1, a2) fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2))
#define REEVE_CALL_4(o, fn, a1, a2, a3) \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3))
#define REEVE_CALL_5(o, fn, a1, a2, a3, a4)                                           \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4))
#define REEVE_CALL_6(o, fn, a1, a2, a3, a4, a5)                                       \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5))
#define REEVE_CALL_7(o, fn, a1, a2, a3, a4, a5, a6)                                   \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6))
#define REEVE_CALL_8(o, fn, a1, a2, a3, a4, a5, a6, a7)                               \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6),          \
        REEVE_PICK(fn, 7, a7))
#define REEVE_CALL_9(o, fn, a1, a2, a3, a4, a5, a6, a7, a8)                           \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6),          \
        REEVE_PICK(fn, 7, a7), REEVE_PICK(fn, 8, a8))
#define REEVE_CALL_10(o, fn, a1, a2, a3, a4, a5, a6, a7, a8, a9)                      \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6),          \
        REEVE_PICK(fn, 7, a7), REEVE_PICK(fn, 8, a8), REEVE_PICK(fn, 9, a9))
#define REEVE_CALL_11(o, fn, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10)                 \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6),          \
        REEVE_PICK(fn, 7, a7), REEVE_PICK(fn, 8, a8), REEVE_PICK(fn, 9, a9),          \
        REEVE_PICK(fn, 10, a10))
#define REEVE_CALL_12(o, fn, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11)            \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6),          \
        REEVE_PICK(fn, 7, a7), REEVE_PICK(fn, 8, a8), REEVE_PICK(fn, 9, a9),          \
        REEVE_PICK(fn, 10, a10), REEVE_PICK(fn, 11, a11))
#define REEVE_CALL_13(o, fn, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12)       \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6),          \
        REEVE_PICK(fn, 7, a7), REEVE_PICK(fn, 8, a8), REEVE_PICK(fn, 9, a9),          \
        REEVE_PICK(fn, 10, a10), REEVE_PICK(fn, 11, a11), REEVE_PICK(fn, 12, a12))
#define REEVE_CALL_14(o, fn, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13)  \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6),          \
        REEVE_PICK(fn, 7, a7), REEVE_PICK(fn, 8, a8), REEVE_PICK(fn, 9, a9),          \
        REEVE_PICK(fn, 10, a10), REEVE_PICK(fn, 11, a11), REEVE_PICK(fn, 12, a12),    \
        REEVE_PICK(fn, 13, a13))
#define REEVE_CALL_15(o, fn, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14) \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3),     \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6),              \
        REEVE_PICK(fn, 7, a7), REEVE_PICK(fn, 8, a8), REEVE_PICK(fn, 9, a9),              \
        REEVE_PICK(fn, 10, a10), REEVE_PICK(fn, 11, a11), REEVE_PICK(fn, 12, a12),        \
        REEVE_PICK(fn, 13, a13), REEVE_PICK(fn, 14, a14))
#define REEVE_CALL_16(o, fn, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15) \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3),          \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6),                   \
        REEVE_PICK(fn, 7, a7), REEVE_PICK(fn, 8, a8), REEVE_PICK(fn, 9, a9),                   \
        REEVE_PICK(fn, 10, a10), REEVE_PICK(fn, 11, a11), REEVE_PICK(fn, 12, a12),             \
        REEVE_PICK(fn, 13, a13), REEVE_PICK(fn, 14, a14), REEVE_PICK(fn, 15, a15))
#define REEVE_CALL_17(                                                                \
    o, fn, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16)     \
    fn##_call(o, REEVE_PICK(fn, 1, a1), REEVE_PICK(fn, 2, a2), REEVE_PICK(fn, 3, a3), \
        REEVE_PICK(fn, 4, a4), REEVE_PICK(fn, 5, a5), REEVE_PICK(fn, 6, a6),          \
        REEVE_PICK(fn, 7, a7), REEVE_PICK(fn, 8, a8), REEVE_PICK(fn, 9, a9),          \
        REEVE_PICK(fn, 10, a10), REEVE_PICK(fn, 11, a11), REEVE_PICK(fn, 12, a12),    \
        REEVE_PICK(fn, 13, a13), REEVE_PICK(fn, 14, a14), REEVE_PICK(fn, 15, a15),    \
        REEVE_PICK(fn, 16, a16))

/* ONE for one argument, MORE for more, MANY for more than a function may have. */
#define REEVE_ONE_OR_MORE_(...) REEVE_JOIN(REEVE_ONE_OR_MORE_, REEVE_COUNT(__VA_ARGS__))
#define REEVE_ONE_OR_MORE_1     ONE
#define REEVE_ONE_OR_MORE_2     MORE
#define REEVE_ONE_OR_MORE_3     MORE
#define REEVE_ONE_OR_MORE_4     MORE
#define REEVE_ONE_OR_MORE_5     MORE
#define REEVE_ONE_OR_MORE_6     MORE
#define REEVE_ONE_OR_MORE_7     MORE
#define REEVE_ONE_OR_MORE_8     MORE
#define REEVE_ONE_OR_MORE_9     MORE
#define REEVE_ONE_OR_MORE_10    MORE
#define REEVE_ONE_OR_MORE_11    MORE
#define REEVE_ONE_OR_MORE_12    MORE
#define REEVE_ONE_OR_MORE_13    MORE
#define REEVE_ONE_OR_MORE_14    MORE
#define REEVE_ONE_OR_MORE_15    MORE
#define REEVE_ONE_OR_MORE_16    MORE
#define REEVE_ONE_OR_MORE_17    MORE
#define REEVE_ONE_OR_MORE_18    MANY
#define REEVE_ONE_OR_MORE_19    MANY
#define REEVE_ONE_OR_MORE_20    MANY
#define REEVE_ONE_OR_MORE_21    MANY
#define REEVE_ONE_OR_MORE_22    MANY
#define REEVE_ONE_OR_MORE_23    MANY
#define REEVE_ONE_OR_MORE_24    MANY
#define REEVE_ONE_OR_MORE_25    MANY
#define REEVE_ONE_OR_MORE_26    MANY
#define REEVE_ONE_OR_MORE_27    MANY
#define REEVE_ONE_OR_MORE_28    MANY
#define REEVE_ONE_OR_MORE_29    MANY
#define REEVE_ONE_OR_MORE_30    MANY
#define REEVE_ONE_OR_MORE_31    MANY
#define REEVE_ONE_OR_MORE_32    MANY
#define REEVE_ONE_OR_MORE_33    MANY

#endif
