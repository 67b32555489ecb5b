/* reeve_checks.h - what is wrong with the declaration of a function, a struct or an actor, in words
 * that the compiler prints. Included by reeve_typed.h. Not for direct use.
 *
 * Where an assertion can tell, it does (REEVE_ASSERT_). Where a type is none of ours the compiler
 * would miss reeve_future_unsigned, which says little: so the first words of C types are macros by
 * such names, and what they stand for is an error with its remedy (REEVE_SAY_). */
#ifndef REEVE_CHECKS_H
#define REEVE_CHECKS_H

/* REEVE_SAY_(GCC error "words"): an error wherever it stands. (One string: GCC prints no more.) */
#define REEVE_SAY_(what) _Pragma(#what)
#ifndef __cplusplus
#define REEVE_ASSERT_(holds, words) _Static_assert(holds, words);
#define REEVE_IS_SAME_(a, b)        __builtin_types_compatible_p(a, b)
#else
#define REEVE_ASSERT_(holds, words) static_assert(holds, words);
#define REEVE_IS_SAME_(a, b)        reeve_same<a, b>::value
#endif

/* A parameter or member is (type, name), in parentheses, and its name a name alone: `x[8]` would be
 * taken for the item behind the last. Of an actor's members it may be that. */
#define REEVE_CHECK_(c, n, pair)       REEVE_JOIN(REEVE_CHECK_, REEVE_IS_PAIR_(pair))(pair)
#define REEVE_CHECK_FIELD_(c, n, pair) REEVE_JOIN(REEVE_CHECK_FIELD_, REEVE_IS_PAIR_(pair))(pair)
#define REEVE_CHECK_1(pair)                                                                      \
    REEVE_ASSERT_(REEVE_IS_SAME_(void(char REEVE_NAME_OF_ pair), void(char)),                    \
        "a parameter or member has but a name: several numbers are a reeve_double_array or the " \
        "like")
#define REEVE_CHECK_0(what) \
    REEVE_SAY_(GCC error "a parameter or member is (type, name), with parentheses and comma")
#define REEVE_CHECK_FIELD_1(pair)
#define REEVE_CHECK_FIELD_0(what) REEVE_CHECK_0(what)
#define REEVE_IS_PAIR_(pair)      REEVE_IS_VOID__(REEVE_PAIR_PROBE_ pair, 0, )
#define REEVE_PAIR_PROBE_(...)    ~, 1
#define REEVE_CHECK_FUTURE_(F)                                                                    \
    REEVE_ASSERT_(__builtin_classify_type(*(F *)0) != 5,                                          \
        "a pointer is no value type: a string is reeve_string, numbers are a reeve_double_array " \
        "or "                                                                                     \
        "the like")

/* The first words of C types that are none of ours, where they are meant for one. */
#define REEVE_CHAR_  REEVE_SAY_(GCC error "char is no value type: a string is reeve_string")
#define REEVE_CONST_ REEVE_SAY_(GCC error "a value type has no const: a string is reeve_string")
#define REEVE_WIDTH_ REEVE_SAY_(GCC error "say how wide the number is: int64_t, uint32_t, ...")
#define REEVE_NAMED_ REEVE_SAY_(GCC error "a struct is made by REEVE_STRUCT; an enum is an int")

#define reeve_future_char     REEVE_CHAR_ reeve_future_int8_t
#define reeve_type_char       REEVE_CHAR_ reeve_type_int8_t
#define reeve_future_const    REEVE_CONST_ const
#define reeve_type_const      REEVE_CONST_ reeve_type_int8_t
#define reeve_future_unsigned REEVE_WIDTH_ reeve_future_int64_t
#define reeve_type_unsigned   REEVE_WIDTH_ reeve_type_int64_t
#define reeve_future_signed   REEVE_WIDTH_ reeve_future_int64_t
#define reeve_type_signed     REEVE_WIDTH_ reeve_type_int64_t
#define reeve_future_long     REEVE_WIDTH_ reeve_future_int64_t
#define reeve_type_long       REEVE_WIDTH_ reeve_type_int64_t
#define reeve_future_short    REEVE_WIDTH_ reeve_future_int64_t
#define reeve_type_short      REEVE_WIDTH_ reeve_type_int64_t
#define reeve_future_struct   REEVE_NAMED_ struct
#define reeve_type_struct     REEVE_NAMED_ reeve_type_int64_t
#define reeve_future_union    REEVE_NAMED_ struct
#define reeve_type_union      REEVE_NAMED_ reeve_type_int64_t
#define reeve_future_enum     REEVE_NAMED_ struct
#define reeve_type_enum       REEVE_NAMED_ reeve_type_int64_t

/* Names that a struct cannot have, because functions that it would get, such as reeve_put_T, are
 * the library's own: whoever takes one is told so. */
#define REEVE_TAKEN_as          ~, 1
#define REEVE_TAKEN_bytes       ~, 1
#define REEVE_TAKEN_context     ~, 1
#define REEVE_TAKEN_from_id     ~, 1
#define REEVE_TAKEN_many        ~, 1
#define REEVE_TAKEN_packed      ~, 1
#define REEVE_TAKEN_packed_many ~, 1
#define REEVE_TAKEN_progress    ~, 1
#define REEVE_TAKEN_ready       ~, 1
#define REEVE_TAKEN_release     ~, 1
#define REEVE_TAKEN_timeout     ~, 1
#define REEVE_TAKEN_value       ~, 1
#define REEVE_IS_TAKEN_(T)      REEVE_IS_VOID__(REEVE_JOIN(REEVE_TAKEN_, T), 0, )
#define REEVE_NAME_IS_FREE_(T)                           \
    REEVE_ASSERT_(!REEVE_IS_TAKEN_(T),                   \
        "REEVE_STRUCT cannot make a struct called \"" #T \
        "\": a function that it would get is the library's own; choose another name")

#endif
