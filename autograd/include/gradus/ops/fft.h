/*
 * Discrete Fourier transforms of any length. A complex tensor has a last dim of 2; its axes are
 * counted without that one. Forward transforms carry no factor, inverse ones 1 / n. Results belong
 * to the scope; NULL on error.
 */
#ifndef GRADUS_OPS_FFT_H
#define GRADUS_OPS_FFT_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x [...,n,...,2] -> the same: y_k = sum_j x_j exp(-2 pi i jk / n) along axis; its inverse. */
GR_API gr_tensor *gr_fft(gr_tensor *x, int axis);
GR_API gr_tensor *gr_ifft(gr_tensor *x, int axis);
/* x [...,H,W,2] -> the same, along both. */
GR_API gr_tensor *gr_fft2(gr_tensor *x);
GR_API gr_tensor *gr_ifft2(gr_tensor *x);
/* x [...,n] real -> [...,n/2+1,2], the half of gr_fft that determines the rest. */
GR_API gr_tensor *gr_rfft(gr_tensor *x);
/* y [...,n/2+1,2] -> [...,n]: x with gr_rfft(x) = y. Where y is no spectrum of real numbers, the
 * imaginary parts of y_0 and, for even n, of y_{n/2} are not read. */
GR_API gr_tensor *gr_irfft(gr_tensor *y, int64_t n);
/* x [...,H,W] real -> [...,H,W/2+1,2]; and back, to [...,H,w]. */
GR_API gr_tensor *gr_rfft2(gr_tensor *x);
GR_API gr_tensor *gr_irfft2(gr_tensor *y, int64_t w);
/* Adjoint of gr_rfft: y [...,n/2+1,2] -> [...,n], x_j = Re sum_k y_k exp(2 pi i jk / n). */
GR_API gr_tensor *gr_rfft_adjoint(gr_tensor *y, int64_t n);

/* a b, element by element, broadcasting; the complex conjugate. */
GR_API gr_tensor *gr_complex_mul(gr_tensor *a, gr_tensor *b);
GR_API gr_tensor *gr_complex_conj(gr_tensor *x);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_fft(...) (gr_at(__FILE__, __LINE__), gr_fft(__VA_ARGS__))
#define gr_ifft(...) (gr_at(__FILE__, __LINE__), gr_ifft(__VA_ARGS__))
#define gr_fft2(...) (gr_at(__FILE__, __LINE__), gr_fft2(__VA_ARGS__))
#define gr_ifft2(...) (gr_at(__FILE__, __LINE__), gr_ifft2(__VA_ARGS__))
#define gr_rfft(...) (gr_at(__FILE__, __LINE__), gr_rfft(__VA_ARGS__))
#define gr_irfft(...) (gr_at(__FILE__, __LINE__), gr_irfft(__VA_ARGS__))
#define gr_rfft2(...) (gr_at(__FILE__, __LINE__), gr_rfft2(__VA_ARGS__))
#define gr_irfft2(...) (gr_at(__FILE__, __LINE__), gr_irfft2(__VA_ARGS__))
#define gr_rfft_adjoint(...) (gr_at(__FILE__, __LINE__), gr_rfft_adjoint(__VA_ARGS__))
#define gr_complex_mul(...) (gr_at(__FILE__, __LINE__), gr_complex_mul(__VA_ARGS__))
#define gr_complex_conj(...) (gr_at(__FILE__, __LINE__), gr_complex_conj(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
