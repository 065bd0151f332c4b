/* Values: the activation functions that have a name. */
#ifndef FI_ACTIVATIONS_H
#define FI_ACTIVATIONS_H

enum fi_activation {
    FI_LINEAR,
    FI_RELU,
    FI_LEAKY_RELU,
    FI_ELU,
    FI_GELU,
    FI_GELU_TANH,
    FI_SILU,
    FI_MISH,
    FI_TANH,
    FI_SIGMOID,
    FI_SOFTPLUS,
    FI_ERF,
    FI_SIN,
    FI_SOFTSIGN,
    FI_ABS,
    FI_RELU2,
    FI_ACTIVATIONS
};

/* Of leaky_relu `below` is the slope below zero; elu is above x, and below (exp(x) - 1) for x <= 0. Others read
   neither. */
typedef struct {
    double above, below;
} fi_activation_parameters;

#endif
