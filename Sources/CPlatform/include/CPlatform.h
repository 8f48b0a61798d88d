#pragma once
// What Swift's importer cannot reach in libc and libuv: variadic functions and macros.
