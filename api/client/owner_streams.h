/* What owner_stream.c (items, in order) and owner_feed.c (streams given to a call) share. */
#ifndef REEVE_CLIENT_OWNER_STREAMS_H
#define REEVE_CLIENT_OWNER_STREAMS_H

#include "api/client/owner_internal.h"

struct owner_stream {
    struct reeve_buffer items;
    struct reeve_buffer piece; /* the beginning of an item that is not yet complete */
    uint64_t accepted;         /* items that have come to `items`, ever */
    uint64_t came;             /* items of this attempt, skipped ones included */
    struct reeve_stream_window window;
    uint32_t attempt;
    uint32_t watches;     /* the first of those who wait for the next item; OWNER_NONE */
    uint32_t older;       /* of `items`, those of attempts before */
    uint32_t count;       /* of `items` */
    uint32_t taken, told; /* units of this attempt */
    /* given to a call of ours, which takes it */
    reeve_task_id taker;    /* 0: to none */
    reeve_task_id theirs;   /* the stream over there; 0: no attempt of the taker has opened it */
    uint32_t taker_attempt; /* that has */
    uint32_t sent;          /* of `items`, those that are on their way there */
    uint64_t begin;         /* items that had been taken when it was given… */
    uint64_t opened;        /* …and when that attempt opened it */
    size_t sent_size;       /* of `items`, in bytes, the beginning of the next item included */
    uint32_t sent_piece;    /* of the next item, what has gone already */
    uint32_t runs, runs_heard;
    uint32_t question; /* of its taker: who makes the next item? 0: none */
    uint32_t answered; /* the last one that was answered */
    bool maker_due;    /* the answer, or another one, is to be told */
    bool is_due;       /* a FEED is on its way to the shell */
    bool end_sent;     /* nothing follows */
    bool is_closed;    /* its taker does not want the rest: nothing is kept */
    /* came with a call that we run */
    bool is_loan;
    reeve_task_id origin; /* the stream at its owner */
    struct reeve_owner_loan loan;
    uint64_t lost; /* items that attempts before had taken, to be told of */
    uint32_t runs_came, runs_told;
    uint32_t asked; /* our own question to its owner; 0: none */
    uint32_t asked_last;
    uint32_t heard; /* the last one that was answered */
    /* there: what is known; as its owner: what has been said last */
    struct reeve_owner_maker maker;
};

/* NULL: it is none. */
static inline struct owner_stream *owner_stream_find(
    const struct reeve_owner *owner, reeve_task_id id)
{
    return REEVE_LIKELY(reeve_map64_count(&owner->streams) == 0)
               ? NULL
               : reeve_map64_get(&owner->streams, id);
}

/* Items that have been taken, ever. */
static inline uint64_t owner_stream_popped(const struct owner_stream *stream)
{
    return stream->accepted - stream->count;
}

/* Of the present attempt, a piece of an item or all of it. REEVE_ENOMEM, REEVE_EPROTOCOL. */
int owner_item_piece(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id,
    bool more, const void *bytes, uint32_t size);
/* The first item has been taken. */
void owner_item_pop(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id);

/* Something may be to be sent to its taker. */
void owner_feed_look(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id);
/* Its owner may be to be told. */
void owner_loan_look(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id);
/* There is something to take, so nobody asks any more who makes it. */
static inline void owner_maker_forget(struct owner_stream *stream)
{
    stream->asked = stream->heard = 0;
    stream->maker.state = REEVE_OWNER_MAKER_UNKNOWN;
}

/* owner_maker.c */
/* Of the run that says so, behind its head. */
#define OWNER_MAKER_SIZE 20u
int owner_maker_write(struct owner_stream *stream, struct reeve_buffer *ret);
int owner_maker_take(struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id,
    const uint8_t *bytes, size_t size);
/* Its taker asks, or does not ask any more. */
void owner_maker_asked(
    struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id, uint32_t question);
void owner_ask_command(
    struct reeve_owner *owner, struct owner_stream *stream, reeve_task_id id, bool closes);

/* Nobody here takes the rest: its owner is told, and it has ended. */
void owner_loan_close(
    struct reeve_owner *owner, uint64_t now_ns, struct owner_stream *stream, reeve_task_id id);

#endif
