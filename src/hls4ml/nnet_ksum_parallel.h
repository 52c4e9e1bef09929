#ifndef NNET_KSUM_PARALLEL_H_
#define NNET_KSUM_PARALLEL_H_

#include "nnet_ksum.h"

namespace nnet {

// The sum over the rows of a set with io_parallel: the running sums in the type of the output, row by row.
template <class data_T, class res_T, typename CONFIG_T>
void ksum(data_T data[CONFIG_T::n_vec * CONFIG_T::n_feat], res_T res[CONFIG_T::n_feat]) {
#pragma HLS PIPELINE
  for (unsigned j = 0; j < CONFIG_T::n_feat; j++) {
#pragma HLS UNROLL
    res_T sum = 0;
    for (unsigned i = 0; i < CONFIG_T::n_vec; i++) {
#pragma HLS UNROLL
      sum += data[i * CONFIG_T::n_feat + j];
    }
    res[j] = sum;
  }
}

}  // namespace nnet

#endif  // NNET_KSUM_PARALLEL_H_
