#ifndef NNET_KSUM_H_
#define NNET_KSUM_H_

#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

struct ksum_config {
  static const unsigned n_vec = 1;
  static const unsigned n_feat = 1;
};

// The sum over the rows of a set: one row a read, the running sums in the type of the output.
template <class data_T, class res_T, typename CONFIG_T>
void ksum(hls::stream<data_T>& data, hls::stream<res_T>& res) {
  typename res_T::value_type sum[CONFIG_T::n_feat];
#pragma HLS ARRAY_PARTITION variable = sum complete
  for (unsigned j = 0; j < CONFIG_T::n_feat; j++) sum[j] = 0;
  for (unsigned i = 0; i < CONFIG_T::n_vec; i++) {
#pragma HLS PIPELINE
    data_T in = data.read();
    for (unsigned j = 0; j < CONFIG_T::n_feat; j++) {
#pragma HLS UNROLL
      sum[j] += in[j];
    }
  }
  res_T out;
  for (unsigned j = 0; j < CONFIG_T::n_feat; j++) {
#pragma HLS UNROLL
    out[j] = sum[j];
  }
  res.write(out);
}

}  // namespace nnet

#endif  // NNET_KSUM_H_
