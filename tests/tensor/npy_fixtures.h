/*
 * .npy files as NumPy 1.24 wrote them (numpy.lib.format.write_array), each with a NUL behind it.
 * The values are in test_npy.c.
 */
#ifndef NPY_FIXTURES_H
#define NPY_FIXTURES_H

static const char np_f4[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   "
	"                                                       \n\x00\x00\x00\x00\x00\x00"
	"\x80?\x00\x00\x00@\x00\x00@@\x00\x00\x80@\x00\x00\xb0\xc0";
static const char np_f8_big[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '>f8', 'fortran_order': False, 'shape': (3,), }     "
	"                                                       \n?\xf8\x00\x00\x00\x00\x00"
	"\x00\xc0\x02\x00\x00\x00\x00\x00\x00~7\xe4<\x88\x00u\x9c";
static const char np_f2_big_fortran[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '>f2', 'fortran_order': True, 'shape': (2, 3), }    "
	"                                                       \n<\x00"
	"D\x00@\x00"
	"E\x00"
	"B"
	"\x00"
	"F\x00";
static const char np_i4_fortran[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3, 2), } "
	"                                                       \n\xfa\xff\xff\xff\x00\x00"
	"\x00\x00\xfc\xff\xff\xff\x02\x00\x00\x00\xfe\xff\xff\xff\x04\x00\x00\x00\xfb\xff\xff"
	"\xff\x01\x00\x00\x00\xfd\xff\xff\xff\x03\x00\x00\x00\xff\xff\xff\xff\x05\x00\x00\x00";
static const char np_i8[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }     "
	"                                                       \n\x00\x00\x00\x00\x00\x00"
	"\x00\x80\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00\x00\x00";
static const char np_u2_big[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '>u2', 'fortran_order': False, 'shape': (3,), }     "
	"                                                       \n\x00\x01\x01\x02\xff\xff";
static const char np_i1[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '|i1', 'fortran_order': False, 'shape': (2,), }     "
	"                                                       \n\x80\x7f";
static const char np_u4[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '<u4', 'fortran_order': False, 'shape': (2,), }     "
	"                                                       \n\xff\xff\xff\xff\x01\x00"
	"\x00\x00";
static const char np_u8[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '<u8', 'fortran_order': False, 'shape': (2,), }     "
	"                                                       \n\xff\xff\xff\xff\xff\xff"
	"\xff\x7f\x07\x00\x00\x00\x00\x00\x00\x00";
static const char np_u8_large[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '<u8', 'fortran_order': False, 'shape': (2,), }     "
	"                                                       \n\x07\x00\x00\x00\x00\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80";
static const char np_bool[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '|b1', 'fortran_order': False, 'shape': (2, 2), }   "
	"                                                       \n\x01\x00\x00\x01";
static const char np_scalar_v2[] =
	"\x93NUMPY\x02\x00t\x00\x00\x00{'descr': '<i2', 'fortran_order': False, 'shape': (), "
	"}                                                            \n\xf9\xff";
static const char np_empty_v3[] =
	"\x93NUMPY\x03\x00t\x00\x00\x00{'descr': '|u1', 'fortran_order': False, 'shape': (0, "
	"3), }                                                        \n";
static const char np_complex[] =
	"\x93NUMPY\x01\x00v\x00{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }     "
	"                                                       \n\x00\x00\x80?\x00\x00\x00@";

#endif
