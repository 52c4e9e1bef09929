#ifndef NARROW_APP_INTERRUPT_H_
#define NARROW_APP_INTERRUPT_H_

namespace narrow {

// From now on Ctrl-C is noted for `interrupted`, so that work ends where it can resume; a second Ctrl-C ends the process at once.
void stop_at_ctrl_c();
bool interrupted();

}  // namespace narrow

#endif  // NARROW_APP_INTERRUPT_H_
