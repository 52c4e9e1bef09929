#ifndef NARROW_APP_INTERRUPT_H_
#define NARROW_APP_INTERRUPT_H_

namespace narrow {

// From now on Ctrl-C is noted for `interrupted`, so that work ends where it can resume; a second Ctrl-C ends the process at once.
void stop_at_ctrl_c();
bool interrupted();

// From now on the end of standard input is what Ctrl-C is: for a program that starts narrow, and may itself be killed.
void stop_at_end_of_input();

}  // namespace narrow

#endif  // NARROW_APP_INTERRUPT_H_
