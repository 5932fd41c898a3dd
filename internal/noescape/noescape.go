// Package noescape passes pointers to variables on the stack to functions of which the
// compiler does not know that they do not keep them, such as those that are called through
// a variable.
package noescape
