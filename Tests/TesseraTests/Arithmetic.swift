import Foundation

/// The square of a number.
func pow(_ x: Double) -> Double { x * x }

/// The peak signal-to-noise ratio of a mean squared error of bytes.
func decibels(_ error: Double) -> Double { 10 * log10(255 * 255 / error) }
