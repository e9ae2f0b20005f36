/* The parameter tree: names, order, sub-trees, failures while building. */
#include <criterion/criterion.h>

#include <string.h>

#include "gradus/layers.h"

/* root: a.w [2,3], a.b [3], b.0.w [4], c [] */
static gr_module *sample_tree(gr_module **a, gr_module **b)
{
	gr_module *root = gr_module_new();
	*a = gr_module_child(root, "a");
	*b = gr_module_child(root, "b");
	gr_module_add_param(*a, "w", NULL, GR_DIMS(2, 3));
	gr_module_add_param(*a, "b", NULL, GR_DIMS(3));
	gr_module_add_param(gr_module_childf(*b, "%d", 0), "w", NULL, GR_DIMS(4));
	gr_module_add_param(root, "c", NULL, GR_SCALAR);
	return root;
}

Test(module, names_and_order)
{
	gr_module *a, *b;
	gr_module *root = sample_tree(&a, &b);
	const char *names[] = {"a.w", "a.b", "b.0.w", "c"};
	cr_assert_eq(gr_module_status(root), GR_OK);
	cr_assert_eq(gr_module_param_count(root), 4);
	cr_assert_eq(gr_module_size(root), 6 + 3 + 4 + 1);
	for (int64_t i = 0; i < 4; i++)
		cr_assert_str_eq(gr_module_param_name(root, i), names[i]);
	cr_assert_null(gr_module_param_name(root, 4));
	cr_assert_null(gr_module_param_handle(root, -1));
	gr_module_free(root);
	cr_assert_not(gr_failed());
}

Test(module, subtree_is_relative)
{
	gr_module *a, *b;
	gr_module *root = sample_tree(&a, &b);
	cr_assert_eq(gr_module_param_count(a), 2);
	cr_assert_eq(gr_module_param_count(b), 1);
	cr_assert_eq(gr_module_size(a), 9);
	cr_assert_str_eq(gr_module_param_name(a, 1), "b");
	cr_assert_str_eq(gr_module_param_name(b, 0), "0.w");
	cr_assert_eq(gr_module_find_handle(b, "0.w"), gr_module_param_handle(root, 2));
	cr_assert_str_eq(gr_param_name(gr_module_find_handle(b, "0.w")), "b.0.w");
	cr_assert_null(gr_module_find_handle(a, "0.w"));
	cr_assert_not(gr_failed());
	gr_module_free(b); /* any node frees the tree */
}

Test(module, find_names_what_is_missing)
{
	gr_module *a, *b;
	gr_module *root = sample_tree(&a, &b);
	cr_assert_null(gr_module_find(root, "a.q"));
	cr_assert_eq(gr_error_code(), GR_EARG);
	cr_assert(strstr(gr_error_message(), "a.q") != NULL);
	gr_error_clear();
	gr_module_free(root);
}

Test(module, building_fails_once)
{
	gr_module *root = gr_module_new();
	cr_assert_not_null(gr_module_add_param(root, "w", NULL, GR_DIMS(2)));
	cr_assert_null(gr_module_add_param(root, "w", NULL, GR_DIMS(2)));
	cr_assert_eq(gr_module_status(root), GR_EARG);
	cr_assert(strstr(gr_error_message(), "'w'") != NULL);
	cr_assert_eq(gr_module_init(root, gr_key_seed(0)), GR_EARG);
	gr_error_clear();
	gr_module_free(root);

	root = gr_module_new();
	cr_assert_null(gr_module_add_param(root, "w", NULL, GR_DIMS(-1)));
	cr_assert_eq(gr_module_status(root), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_module_child(root, ""));
	cr_assert_null(gr_module_child(NULL, "x"));
	cr_assert_null(gr_linear_new(NULL, "x", GR_OPTS(gr_linear_opts, .in = 1, .out = 1)));
	gr_error_clear();
	gr_module_free(root);
	gr_module_free(NULL);
}

Test(module, dtype_is_set_first)
{
	gr_module *root = gr_module_new();
	cr_assert_eq(gr_module_dtype(root), GR_F32);
	cr_assert_eq(gr_module_set_dtype(root, GR_I64), GR_EDTYPE);
	gr_error_clear();
	cr_assert_eq(gr_module_set_dtype(root, GR_F64), GR_OK);
	gr_module_add_param(root, "w", NULL, GR_DIMS(2));
	cr_assert_eq(gr_module_set_dtype(root, GR_F32), GR_ESTATE);
	gr_error_clear();
	gr_module_free(root);
}

/* The n-th allocation fails, n = 1, 2, ...: a clean error, nothing left over. */
Test(module, survives_lack_of_memory)
{
	gr_module *a, *b;
	for (uint64_t n = 1; n < 1000; n++) {
		uint64_t before = gr_memory_stats().bytes_in_use;
		gr_memory_fail_at(n);
		gr_module *root = sample_tree(&a, &b);
		gr_status status = root == NULL ? GR_EMEM : gr_module_status(root);
		if (status == GR_OK)
			status = gr_module_init(root, gr_key_seed(1));
		gr_memory_fail_at(0);
		gr_module_free(root);
		gr_scope_end(); /* the root scope gives back its own array */
		cr_assert_eq(gr_memory_stats().bytes_in_use, before, "allocation %d leaks", (int)n);
		if (status == GR_OK)
			return;
		cr_assert_eq(status, GR_EMEM);
		cr_assert_eq(gr_error_code(), GR_EMEM);
		gr_error_clear();
	}
	cr_assert_fail("never succeeded");
}
