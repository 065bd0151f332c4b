/* Values: the activation functions that have a name. */
#ifndef FI_ACTIVATIONS_H
#define FI_ACTIVATIONS_H

/* The one list of them: an activation is known by its place in it. LANES: each number by itself; TILES: those that look
   at a whole tile first. */
#define FI_EACH_ACTIVATION(LANES, TILES)                                                                       \
    LANES(linear) LANES(relu) LANES(leaky_relu) LANES(elu) LANES(gelu) TILES(gelu_tanh) TILES(silu) LANES(mish) \
    TILES(tanh) TILES(sigmoid) TILES(softplus) LANES(erf) TILES(sin) LANES(softsign) LANES(abs) LANES(relu2)

#define FI_NAME(name) #name " "
#define FI_ACTIVATION_NAMES FI_EACH_ACTIVATION(FI_NAME, FI_NAME)

#define FI_ONE(name) +1
enum { FI_ACTIVATIONS = FI_EACH_ACTIVATION(FI_ONE, FI_ONE) };

/* Of leaky_relu `below` is the slope below zero; elu is above x, and below (exp(x) - 1) for x <= 0. Others read
   neither. */
typedef struct {
    double above, below;
} fi_activation_parameters;

#endif
