/// A function of a few numbers, written down: what an element-wise operation computes.
///
/// Formulas are made of arguments, constants and primitive functions with the usual operators:
///
///     let x = Formula.argument(0)
///     let gaussian = exp(-1 * x * x)
///
/// They say at once what is computed (a backend evaluates them in one pass over memory) and what the
/// gradient is (another formula, by the chain rule). So a new element-wise operation is one formula,
/// and a new primitive is one case here and one kernel in a backend.
public indirect enum Formula: Sendable, Hashable {
  /// The element of an input, by the input's position.
  case argument(Int)
  /// A number.
  case constant(Float)
  /// A primitive function of one number.
  case unary(Unary, Formula)
  /// A primitive function of two numbers.
  case binary(Binary, Formula, Formula)
  /// The second where the first is above 0, else the third.
  case choice(Formula, Formula, Formula)

  /// The primitive functions of one number.
  public enum Unary: String, Sendable, Hashable, CaseIterable {
    /// `e^x`.
    case exponential
    /// The natural logarithm.
    case logarithm
    /// The square root.
    case squareRoot
    /// `|x|`.
    case magnitude
    /// -1, 0 or 1, as x is below, at or above 0.
    case sign
    /// `max(x, 0)`.
    case relu
    /// `x sigmoid(x)`.
    case silu
    /// The derivative of `silu`.
    case siluSlope
    /// The hyperbolic tangent.
    case tanh
    /// The derivative of `tanh`.
    case tanhSlope
    /// The logistic function, `1 / (1 + e^-x)`.
    case sigmoid
    /// The derivative of `sigmoid`.
    case sigmoidSlope
    /// The error function, `2 / sqrt(pi)` times the integral of `e^(-t^2)` from 0 to x.
    case errorFunction
    /// The sine.
    case sine
    /// The cosine.
    case cosine
  }

  /// The primitive functions of two numbers.
  public enum Binary: String, Sendable, Hashable, CaseIterable {
    /// `a + b`.
    case sum
    /// `a - b`.
    case difference
    /// `a b`.
    case product
    /// `a / b`.
    case quotient
    /// `a^b`.
    case power
    /// The larger of both.
    case maximum
    /// The smaller of both.
    case minimum
    /// 1 where `a > b`, else 0.
    case isGreater
    /// 1 where `a = b`, else 0.
    case isEqual
  }
}

extension Formula.Unary {
  /// What becomes of an upstream gradient `g` on its way back through this function at x:
  /// `g f'(x)`, `nil` where the derivative is zero or is not needed by anyone.
  func pullback(_ g: Formula, at x: Formula) -> Formula? {
    switch self {
    case .exponential: return g * exp(x)
    case .logarithm: return g / x
    case .squareRoot: return g / (2 * .unary(.squareRoot, x))
    case .magnitude: return g * .unary(.sign, x)
    case .sign, .siluSlope, .tanhSlope, .sigmoidSlope: return nil
    case .relu: return .choice(x, g, 0)
    case .silu: return g * .unary(.siluSlope, x)
    case .tanh: return g * .unary(.tanhSlope, x)
    case .sigmoid: return g * .unary(.sigmoidSlope, x)
    case .errorFunction: return g * (1.128_379_2 * exp(-1 * x * x))
    case .sine: return g * .unary(.cosine, x)
    case .cosine: return g * (-1 * .unary(.sine, x))
    }
  }
}

extension Formula.Binary {
  /// What becomes of an upstream gradient on its way back through this function at (a, b).
  ///
  /// Where the arguments of a maximum or minimum are equal, the first gets all of it.
  func pullback(_ g: Formula, at a: Formula, _ b: Formula) -> (Formula?, Formula?) {
    switch self {
    case .sum: return (g, g)
    case .difference: return (g, g * -1)
    case .product: return (g * b, g * a)
    case .quotient: return (g / b, -1 * (g / b) * (a / b))
    case .power:
      // Where a is 0 the power is constant in b, though log a is infinite.
      return (
        g * (b * .binary(.power, a, b - 1)),
        .choice(.unary(.magnitude, a), g * (.binary(.power, a, b) * log(a)), 0)
      )
    case .maximum:
      let isSecond = Formula.binary(.isGreater, b, a)
      return (.choice(isSecond, 0, g), .choice(isSecond, g, 0))
    case .minimum:
      let isSecond = Formula.binary(.isGreater, a, b)
      return (.choice(isSecond, 0, g), .choice(isSecond, g, 0))
    case .isGreater, .isEqual: return (nil, nil)
    }
  }
}

extension Formula {
  /// The derivative with respect to an argument times an upstream gradient, by the chain rule;
  /// `nil` where the formula does not depend on that argument, or only by steps.
  func gradient(withRespectTo argument: Int, upstream g: Formula) -> Formula? {
    switch self {
    case .argument(let index): return index == argument ? g : nil
    case .constant: return nil
    case .unary(let function, let x):
      return function.pullback(g, at: x)?.at(x, argument)
    case .binary(let function, let a, let b):
      let (first, second) = function.pullback(g, at: a, b)
      return added(first?.at(a, argument), second?.at(b, argument))
    case .choice(let condition, let a, let b):
      return added(
        Formula.choice(condition, g, 0).at(a, argument),
        Formula.choice(condition, 0, g).at(b, argument))
    }
  }

  /// This, as the upstream gradient of a part of a formula, on its way to an argument.
  private func at(_ part: Formula, _ argument: Int) -> Formula? {
    part.gradient(withRespectTo: argument, upstream: self)
  }

  /// The positions of the arguments that occur, in ascending order.
  var arguments: [Int] {
    switch self {
    case .argument(let index): return [index]
    case .constant: return []
    case .unary(_, let x): return x.arguments
    case .binary(_, let a, let b): return Set(a.arguments + b.arguments).sorted()
    case .choice(let c, let a, let b):
      return Set(c.arguments + a.arguments + b.arguments).sorted()
    }
  }

  /// The same formula with arguments at other positions.
  func renumbered(_ position: (Int) -> Int) -> Formula {
    switch self {
    case .argument(let index): return .argument(position(index))
    case .constant: return self
    case .unary(let function, let x): return .unary(function, x.renumbered(position))
    case .binary(let function, let a, let b):
      return .binary(function, a.renumbered(position), b.renumbered(position))
    case .choice(let c, let a, let b):
      return .choice(c.renumbered(position), a.renumbered(position), b.renumbered(position))
    }
  }
}

private func added(_ a: Formula?, _ b: Formula?) -> Formula? {
  guard let a, let b else { return a ?? b }
  return a + b
}

extension Formula: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  /// A constant.
  public init(floatLiteral value: Float) { self = .constant(value) }

  /// A constant.
  public init(integerLiteral value: Int) { self = .constant(Float(value)) }

  /// The sum.
  public static func + (a: Formula, b: Formula) -> Formula { .binary(.sum, a, b) }

  /// The difference.
  public static func - (a: Formula, b: Formula) -> Formula { .binary(.difference, a, b) }

  /// The product.
  public static func * (a: Formula, b: Formula) -> Formula { .binary(.product, a, b) }

  /// The quotient.
  public static func / (a: Formula, b: Formula) -> Formula { .binary(.quotient, a, b) }
}

/// `e^x`, in a formula.
public func exp(_ x: Formula) -> Formula { .unary(.exponential, x) }

/// The natural logarithm, in a formula.
public func log(_ x: Formula) -> Formula { .unary(.logarithm, x) }

/// The square root, in a formula.
public func squareRoot(_ x: Formula) -> Formula { .unary(.squareRoot, x) }

/// The hyperbolic tangent, in a formula.
public func tanh(_ x: Formula) -> Formula { .unary(.tanh, x) }

/// The logistic function, in a formula.
public func sigmoid(_ x: Formula) -> Formula { .unary(.sigmoid, x) }

/// The larger of both, in a formula.
public func maximum(_ a: Formula, _ b: Formula) -> Formula { .binary(.maximum, a, b) }

/// 1 where `a > b`, else 0, in a formula.
public func isGreater(_ a: Formula, _ b: Formula) -> Formula { .binary(.isGreater, a, b) }
