#include "engine/tensor.h"

#include <algorithm>
#include <cstring>

namespace narrow {
namespace {

template <class Word>
void put_words(Tensor& tensor, std::size_t at, std::size_t count, const Word* values) {
  const auto into = [&](auto* to) {
    using To = std::remove_pointer_t<decltype(to)>;
    std::transform(values, values + count, to + at, [](Word v) { return static_cast<To>(v); });
  };
  if (tensor.small) into(tensor.s.data());
  else if (tensor.large) into(tensor.l.data());
  else into(tensor.w.data());
}

template <class Word>
void get_words(const Tensor& tensor, std::size_t at, std::size_t count, Word* values) {
  const auto from = [&](const auto* of) { std::transform(of + at, of + at + count, values, [](auto v) { return static_cast<Word>(v); }); };
  if (tensor.small) from(tensor.s.data());
  else if (tensor.large) from(tensor.l.data());
  else from(tensor.w.data());
}

// gather_rows of int16 in pieces of 8, which may go up to 7 values beyond a run: Buffers have room for that, and what is written too much
// belongs to the next run or row, which is written later, wherever a row has no zeros of its own.
void gather_rows16(const Gather& gather, const std::int16_t* x, std::size_t from, std::size_t count, std::int16_t* rows) {
  constexpr int kPiece = 8;
  for (std::size_t row = from; row < from + count; ++row, rows += gather.width) {
    if (gather.pads && !gather.is_whole(row)) {
      gather_rows(gather, x, row, 1, rows);
      continue;
    }
    for (std::size_t i = gather.first[row]; i < gather.first[row + 1]; ++i) {
      const Gather::Run& run = gather.runs[i];
      for (int k = 0; k < run.count; k += kPiece) std::memcpy(rows + run.to + k, x + run.from + k, kPiece * sizeof *x);
    }
  }
}

}  // namespace

void Tensor::hold(const Format& format) {
  small = fits_small(format);
  large = !fits_word(format);
}

void Tensor::put(std::size_t at, std::size_t count, const std::int32_t* values) { put_words(*this, at, count, values); }
void Tensor::put(std::size_t at, std::size_t count, const std::int64_t* values) { put_words(*this, at, count, values); }
void Tensor::put(std::size_t at, std::size_t count, const Int128* values) { put_words(*this, at, count, values); }
void Tensor::get(std::size_t at, std::size_t count, std::int32_t* values) const { get_words(*this, at, count, values); }
void Tensor::get(std::size_t at, std::size_t count, std::int64_t* values) const { get_words(*this, at, count, values); }
void Tensor::get(std::size_t at, std::size_t count, Int128* values) const { get_words(*this, at, count, values); }

const std::int64_t* Tensor::wide(std::size_t at, std::size_t count, Buffer<std::int64_t>& buffer) const {
  if (!small && !large) return w.data() + at;
  buffer.resize(count);
  get(at, count, buffer.data());
  return buffer.data();
}

void Tensor::copy(const Tensor& other, std::size_t from, std::size_t count, std::size_t at) {
  if (small) std::copy_n(other.s.data() + from, count, s.data() + at);
  else if (large) std::copy_n(other.l.data() + from, count, l.data() + at);
  else std::copy_n(other.w.data() + from, count, w.data() + at);
}

void Tensor::gather(const Gather& gather, const Tensor& other, std::size_t sample, std::size_t row, std::size_t count, std::size_t at) {
  if (small) gather_rows16(gather, other.s.data() + sample, row, count, s.data() + at);
  else if (large) gather_rows(gather, other.l.data() + sample, row, count, l.data() + at);
  else gather_rows(gather, other.w.data() + sample, row, count, w.data() + at);
}

bool fits_small(const Format& format) { return format.width + (format.is_signed ? 0 : 1) <= 16; }
bool fits_word(const Format& format) { return format.width + (format.is_signed ? 0 : 1) <= 64; }

}  // namespace narrow
