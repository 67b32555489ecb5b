/* Programs whose every result is known beforehand.
 *
 * A function is `depth << 8 | children`. With depth 0 it computes; else it calls `children`
 * functions of depth - 1 and adds up what they give. With SIM_FUNCTION_GIVES it does not wait for
 * them: it gives their futures to its caller, with its result. */
#include "tests/sim/sim.h"

uint64_t sim_mix(uint64_t value)
{
    return reeve_splitmix64(&value);
}

uint32_t sim_child_function(uint32_t function)
{
    return function - 0x100;
}

uint64_t sim_child_value(uint64_t value, uint32_t i)
{
    return value * 31 + i + 1;
}

uint64_t sim_compute(uint32_t function, uint64_t value)
{
    uint32_t depth = SIM_FUNCTION_DEPTH(function), children = function & 0xff;
    if (depth == 0 || function & SIM_FUNCTION_GIVES)
        return sim_mix(value);
    uint64_t sum = value;
    for (uint32_t i = 0; i < children; i++)
        sum += sim_compute(sim_child_function(function), sim_child_value(value, i));
    return sum;
}

uint64_t sim_duration(uint32_t function, uint64_t value)
{
    uint64_t random = sim_mix(value ^ 0x5eed) % 1000;
    if (SIM_FUNCTION_DEPTH(function) != 0)
        return 20 * US;
    if (random < 700)
        return (20 + random) * US;
    if (random < 980)
        return random * 10 * US;
    return random * MS; /* a second */
}
