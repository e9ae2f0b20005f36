/*
 * Configurations as diffusers writes them (config.json beside the weights), for unet_config.c and
 * vae.c, which read those of the references themselves.
 */
#ifndef GRADUS_MODELS_DIFFUSERS_PRIV_H
#define GRADUS_MODELS_DIFFUSERS_PRIV_H

#include "gradus/json.h"
#include "gradus/unet.h"
#include "gradus/vae.h"

/* Is the object one of diffusers', which begin with a "_class_name"? */
bool gr__diffusers_is(const gr_json *object);
/* GR_EFORMAT for options that these networks do not have. */
gr_status gr__diffusers_unet(gr_unet_config *out, const gr_json *object);
gr_status gr__diffusers_vae(gr_vae_config *out, const gr_json *object);

#endif
