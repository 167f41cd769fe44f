"""Operators without multiply-accumulates, by what they do instead, and those that are not understood.

Beside all that torch tags as pointwise, every operator of ATen that has no rule stands here by its name, with
its variants: in place (``_`` at its end), of a list (``_foreach_``), the copy of a view (``_copy``), its
gradient (``_backward``). What stands nowhere is unknown, never a silent zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import torch

_NORMALISATION = """native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
    _native_batch_norm_legit_functional cudnn_batch_norm miopen_batch_norm batch_norm
    _batch_norm_with_update _batch_norm_with_update_functional _batch_norm_no_update native_layer_norm
    native_group_norm _weight_norm_interface _fused_rms_norm batch_norm_elemt batch_norm_stats
    batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_update_stats
    batch_norm_backward_elemt batch_norm_backward_reduce quantized_batch_norm renorm embedding_renorm"""
_SOFTMAX = """_softmax softmax _log_softmax log_softmax _safe_softmax logsumexp logcumsumexp _logcumsumexp
    _masked_softmax _sparse_softmax _sparse_log_softmax _nested_tensor_softmax_with_shape"""
_ACTIVATIONS = """hardswish hardtanh prelu _prelu_kernel rrelu_with_noise rrelu_with_noise_functional celu
    selu elu gelu glu glu_jvp glu_backward_jvp relu leaky_relu mish hardshrink hardsigmoid softplus
    softshrink threshold log_sigmoid_forward log_sigmoid_backward native_dropout _fused_dropout
    _masked_scale _thnn_fused_gru_cell _thnn_fused_lstm_cell _thnn_fused_lstm_cell_backward_impl
    _transform_bias_rescale_qkv _add_relu _dirichlet_grad _standard_gamma_grad masked_fill complex polar
    isin cross linalg_cross fake_quantize_per_channel_affine_cachemask
    fake_quantize_per_tensor_affine_cachemask _fake_quantize_learnable_per_channel_affine
    _fake_quantize_learnable_per_tensor_affine _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
    _fused_moving_avg_obs_fq_helper _fused_moving_avg_obs_fq_helper_functional quantize_per_channel
    quantize_per_tensor quantize_per_tensor_dynamic dequantize int_repr _make_per_channel_quantized_tensor
    _make_per_tensor_quantized_tensor _conj_physical histc histogram _histogramdd_bin_edges
    _histogramdd_from_bin_cts _histogramdd_from_bin_tensors bucketize searchsorted hash_tensor
    _fused_adagrad _fused_adam _fused_adamw _fused_sgd _amp_foreach_non_finite_check_and_unscale
    _amp_update_scale _compute_linear_combination floor_divide __irshift__ __ilshift__
    _test_autograd_multiple_dispatch"""
_LOSSES = """binary_cross_entropy binary_cross_entropy_with_logits huber_loss mse_loss multi_margin_loss
    multilabel_margin_loss_forward multilabel_margin_loss nll_loss_forward nll_loss2d_forward nll_loss
    nll_loss2d smooth_l1_loss soft_margin_loss _ctc_loss _cudnn_ctc_loss miopen_ctc_loss"""
_REDUCTIONS = """sum mean var std var_mean std_mean amax amin max min argmax argmin prod any all norm
    linalg_vector_norm linalg__powsum cumsum cumprod cummax cummin aminmax _aminmax median nanmedian nansum
    topk sort kthvalue mode count_nonzero trace dist native_norm allclose _is_all_true _is_any_true _powsum
    powsum _adaptive_avg_pool1d _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d
    avg_pool3d max_pool2d max_pool2d_with_indices max_pool3d_with_indices fractional_max_pool2d
    fractional_max_pool3d quantized_max_pool1d quantized_max_pool2d quantized_max_pool3d mkldnn_max_pool2d
    mkldnn_max_pool3d mkldnn_adaptive_avg_pool2d index_add index_reduce scatter_add scatter_reduce
    segment_reduce _segment_reduce _index_put_impl _unsafe_index_put _unsafe_masked_index_put_accumulate
    _cummax_helper _cummin_helper _sparse_sum _sparse_csr_sum _sparse_csr_prod _nested_sum_backward
    embedding_dense_backward unfold_backward slice_backward select_backward diagonal_backward
    _nested_select_backward masked_scatter_backward _embedding_bag_dense_backward"""
_RESAMPLING = """upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_nearest1d
    upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d upsample_trilinear3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa
    _upsample_lanczos2d_aa grid_sampler_2d grid_sampler_3d _grid_sampler_2d_cpu_fallback cudnn_grid_sampler"""

#: Made, moved, chosen or described: no arithmetic.
_MOVEMENT = """clone copy copy_ _to_copy contiguous cat stack hstack vstack block_diag _chunk_cat _stack
    alias alias_copy as_strided as_strided_scatter expand permute transpose t split select slice squeeze
    unsqueeze unbind narrow detach lift lift_fresh diagonal diagonal_scatter diag_embed view_as_real
    view_as_complex values indices crow_indices ccol_indices col_indices row_indices _values _indices _conj
    _neg_view _fw_primal _make_dual _reshape_alias _lazy_clone _nested_view_from_buffer
    _nested_view_from_jagged _nested_get_values empty empty_like empty_strided empty_permuted
    empty_quantized _empty_affine_quantized _empty_per_channel_affine_quantized _efficientzerotensor
    new_empty new_empty_strided new_zeros new_ones new_full _new_zeros_with_same_feature_meta zeros
    zeros_like ones ones_like full full_like scalar_tensor arange range linspace logspace eye tril triu
    tril_indices triu_indices fft_fftfreq fft_rfftfreq bartlett_window blackman_window hamming_window
    hann_window kaiser_window from_file fill zero flip roll rot90 repeat repeat_interleave gather take put
    index index_select index_put index_copy index_fill _unsafe_index _unsafe_masked_index scatter
    select_scatter slice_scatter masked_scatter embedding one_hot constant_pad_nd reflection_pad1d
    reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d _unsafe_view
    _reshape_copy view unfold im2col col2im pixel_shuffle pixel_unshuffle channel_shuffle max_unpool2d
    max_unpool3d masked_select nonzero nonzero_static where argwhere _local_scalar_dense _pin_memory
    is_pinned record_stream resize resize_as _resize_output set unsafe_split unsafe_split_with_sizes
    split_with_sizes bernoulli rand randn rand_like randn_like uniform normal normal_functional randint
    randint_like randperm random multinomial binomial poisson cauchy exponential geometric log_normal
    _standard_gamma _sample_dirichlet _philox_key_fold_in _philox_key_split _philox_normal _philox_uniform
    _cudnn_init_dropout_state _fill_mem_eff_dropout_mask bincount unique_dim _unique _unique2
    unique_consecutive unique_dim_consecutive is_same_size is_set_to sym_size sym_numel sym_stride
    sym_storage_offset isnan isinf _assert_async _functional_assert_async _functional_assert_scalar
    _functional_sym_constrain_range _functional_sym_constrain_range_for_size _make_dep_token
    _assert_tensor_metadata _linalg_check_errors _has_same_storage_numel _fused_sdp_choice
    _use_cudnn_ctc_loss _use_miopen_ctc_loss _debug_has_internal_overlap _cudnn_rnn_flatten_weight
    _copy_from _copy_from_and_resize lu_unpack _fft_fill_with_conjugate_symmetry _nested_tensor_from_mask
    _nested_tensor_from_mask_left_aligned _nested_tensor_from_tensor_list _nested_from_padded
    _nested_from_padded_and_nested_example _nested_from_padded_tensor to_padded_tensor
    _jagged_to_padded_dense_forward _padded_dense_to_jagged_forward
    _nested_compute_contiguous_strides_offsets _nested_get_jagged_dummy _nested_get_lengths
    _nested_get_max_seqlen _nested_get_min_seqlen _nested_get_offsets _nested_get_ragged_idx
    _nested_tensor_size _nested_tensor_storage_offsets _nested_tensor_strides _pack_padded_sequence
    _pad_packed_sequence _coalesce _coalesced is_coalesced _convert_indices_from_coo_to_csr
    _convert_indices_from_csr_to_coo _dimI _dimV _nnz dense_dim sparse_dim copy_sparse_to_sparse
    resize_as_sparse sparse_resize sparse_resize_and_clear sparse_coo_tensor _sparse_coo_tensor_with_dims
    _sparse_coo_tensor_with_dims_and_tensors sparse_compressed_tensor _sparse_compressed_tensor_with_dims
    sparse_mask _sparse_mask_projection _sparse_broadcast_to _spdiags _to_dense _to_sparse _to_sparse_bsc
    _to_sparse_bsr _to_sparse_csc _to_sparse_csr _validate_compressed_sparse_indices
    _to_sparse_semi_structured _sparse_semi_structured_tile _cslt_compress to_mkldnn _mkldnn_reshape
    _mkldnn_transpose mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight _convert_weight_to_int4pack
    _convert_weight_to_int4pack_for_cpu _dyn_quant_pack_4bit_weight q_per_channel_axis q_per_channel_scales
    q_per_channel_zero_points q_scale q_zero_point qscheme _foobar _test_autograd_multiple_dispatch_view
    _test_functorch_fallback _test_optional_filled_intlist _test_optional_floatlist _test_optional_intlist
    _test_parallel_materialize _test_warn_in_autograd"""

_OPEN = """_cholesky_solve_helper _linalg_det _linalg_eigh _linalg_eigvals _linalg_slogdet _linalg_solve_ex
    _linalg_svd cholesky cholesky_inverse cholesky_solve geqrf linalg_cholesky_ex linalg_eig linalg_eigvals
    linalg_householder_product linalg_inv_ex linalg_ldl_factor_ex linalg_ldl_solve linalg_lstsq linalg_lu
    linalg_lu_factor_ex linalg_lu_solve linalg_matrix_exp linalg_pinv linalg_qr ormqr _spsolve
    _sparse_sparse_matmul _sparse_mm_reduce_impl _sparse_mm_reduce_impl_backward hspmm sspaddmm
    _cslt_sparse_mm _cslt_sparse_mm_search
    _sparse_semi_structured_addmm _sparse_semi_structured_apply _sparse_semi_structured_apply_dense
    _sparse_semi_structured_linear _sparse_semi_structured_mm _lstm_mps lstm_mps_backward _cdist_backward
    _pdist_backward affine_grid_generator_backward cudnn_affine_grid_generator
    cudnn_affine_grid_generator_backward matmul_backward _cudnn_attention_forward
    _cudnn_attention_backward _slow_conv2d_backward mps_convolution_backward
    mps_convolution_transpose_backward convolution_backward_overrideable mkldnn_linear_backward
    mkldnn_linear_backward_input mkldnn_linear_backward_weights"""

#: Known to multiply and accumulate, without a closed form for every input: solvers, factorisations,
#: products of two sparse operands, packed kernels of some devices. They are as loud as unknown ones.
OPEN = frozenset(_OPEN.split())

#: Kinds of element operations, and the operators in them.
KINDS: Mapping[str, str] = {
    name: kind
    for kind, names in {
        "normalisation": _NORMALISATION,
        "softmax": _SOFTMAX,
        "element-wise": _ACTIVATIONS,
        "loss": _LOSSES,
        "reduction and pooling": _REDUCTIONS,
        "resampling": _RESAMPLING,
        "": _MOVEMENT,
    }.items()
    for name in names.split()
}

#: Namespaces that only watch, describe or send.
_WITHOUT_ARITHMETIC = frozenset({"profiler", "_c10d_functional", "c10d", "_c10d_functional_autograd"})
_OF_TORCH = frozenset({"aten", "prims"})
_GRADIENT = re.compile(r"_backward(_data)?$")


def variants(name: str) -> tuple[str, ...]:
    """Names under which an operator may stand: its own, and what it is a variant of."""
    plain = name.removesuffix("_") if not name.endswith("__") else name
    names = (name, plain, plain.removesuffix("_copy"), plain.removeprefix("_foreach_").removesuffix("_copy"))
    return tuple(dict.fromkeys((*names, _GRADIENT.sub("", plain))))


@cache
def element_kind(operator: torch._ops.OpOverload) -> str | None:
    """Kind of an operator without MACs, an empty string for mere data movement, ``None`` if unknown."""
    packet = operator.overloadpacket
    if operator.namespace in _WITHOUT_ARITHMETIC or operator.is_view:
        return ""
    if operator.namespace not in _OF_TORCH:
        return "element-wise" if torch.Tag.pointwise in operator.tags else None
    name = packet.__name__
    if name in OPEN:
        return None
    found = next((KINDS[known] for known in variants(name) if known in KINDS), None)
    if found is not None:
        return found
    return "element-wise" if any(_is_pointwise(known) for known in variants(name)) else None


def _is_pointwise(name: str) -> bool:
    packet = getattr(torch.ops.aten, name, None)
    return isinstance(packet, torch._ops.OpOverloadPacket) and any(
        torch.Tag.pointwise in getattr(packet, overload).tags for overload in packet.overloads()
    )
