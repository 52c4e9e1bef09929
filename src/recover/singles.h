#ifndef NARROW_RECOVER_SINGLES_H_
#define NARROW_RECOVER_SINGLES_H_

#include "fixed/format.h"

namespace narrow {

// The float32 numbers that a type holds as they are, whatever its rounding: what a file of Keras can say of a weight of this type. Of more
// than 24 bits besides the sign the type's own end is none.
struct Singles {
  explicit Singles(const Format& type);
  float nearest(double value) const;
  // The nearest one not above a number, and not below; where it lies beyond the type, the type's end.
  float down(float value) const;
  float up(float value) const;

  float least = 0, most = 0;

 private:
  double steps_of(double value) const;
  double of_steps(double steps) const;
  int fraction_ = 0;
};

}  // namespace narrow

#endif  // NARROW_RECOVER_SINGLES_H_
