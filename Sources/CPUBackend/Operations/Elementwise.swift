import Autodiff
import Execution
import Kernels

extension Elementwise: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    guard fused == nil else { return 0 }
    return FormulaProgram(formula).workspace
  }

  /// Calls the kernel.
  public func execute(_ operands: Operands) {
    (fused ?? FormulaProgram(formula).run)(operands)
  }

  /// The formula, turned into steps once.
  public func kernel(for instruction: Instruction) -> @Sendable (Operands) -> Void {
    if let fused { return fused }
    let program = FormulaProgram(formula)
    return { program.run($0) }
  }

  /// One.
  public func phases(of instruction: Instruction, on backend: CPUBackend) -> Int { 1 }

  /// The kernel that computes the whole formula, where there is one: it saves the scratch memory of the
  /// parts.
  private var fused: (@Sendable (Operands) -> Void)? {
    switch formula {
    case .binary(.product, .argument(0), .constant(let factor)):
      return { scale(count: $0.own.count, $0.ownInput(0), by: factor, into: $0.ownOutput) }
    case .binary(.sum, .argument(0), .binary(.product, .argument(1), .argument(2))):
      return {
        addProduct(
          count: $0.own.count, $0.ownInput(0), $0.ownInput(1), $0.ownInput(2), into: $0.ownOutput)
      }
    case .choice(.argument(1), .argument(0), .constant(0)):
      return {
        reluGradient(
          count: $0.own.count, outputGradient: $0.ownInput(0), x: $0.ownInput(1), into: $0.ownOutput
        )
      }
    case .binary(.product, .argument(0), .unary(.siluSlope, .argument(1))):
      return {
        siluGradient(
          count: $0.own.count, outputGradient: $0.ownInput(0), x: $0.ownInput(1), into: $0.ownOutput
        )
      }
    case .binary(.product, .argument(0), .unary(.tanhSlope, .argument(1))):
      return {
        tanhGradient(
          count: $0.own.count, outputGradient: $0.ownInput(0), x: $0.ownInput(1), into: $0.ownOutput
        )
      }
    case .binary(.product, .argument(0), .unary(.sigmoidSlope, .argument(1))):
      return {
        sigmoidGradient(
          count: $0.own.count, outputGradient: $0.ownInput(0), x: $0.ownInput(1), into: $0.ownOutput
        )
      }
    default: return nil
    }
  }
}

/// A formula as a list of steps, each a primitive function of what is there already.
///
/// It runs over blocks that fit the first-level cache, so that memory is read and written once however
/// many steps there are. What occurs several times in the formula is computed once.
struct FormulaProgram: Sendable {
  /// Where the operand of a step lies.
  fileprivate enum Place: Sendable, Hashable {
    /// An input of the operation.
    case input(Int)
    /// A block of scratch memory.
    case scratch(Int)
    /// The output of the operation.
    case output
  }

  fileprivate struct Step: Sendable {
    enum Function: Sendable {
      case unary(Formula.Unary)
      case binary(Formula.Binary)
      case choice
    }

    let function: Function
    /// The operands; a function of fewer than three ignores the last ones.
    let a, b, c: Place
    var result: Place
  }

  /// Elements of a block.
  private static let block = 512

  private var steps: [Step] = []
  private var constants: [(place: Int, value: Float)] = []
  private var scratchBlocks = 0
  private var places: [Formula: Place] = [:]

  init(_ formula: Formula) {
    let result = add(formula)
    if steps.isEmpty {
      // An argument or a constant by itself: the larger of it and itself.
      _ = append(.binary(.maximum), result, result, result)
    }
    // The last step yields the result, which needs no scratch memory.
    steps[steps.count - 1].result = .output
    scratchBlocks -= 1
  }

  /// The words of scratch memory that `run` needs.
  var workspace: Int { scratchBlocks * Self.block }

  /// Adds the steps that compute a formula, unless they are there.
  private mutating func add(_ formula: Formula) -> Place {
    if let place = places[formula] { return place }
    let place: Place
    switch formula {
    case .argument(let index): place = .input(index)
    case .constant(let value):
      constants.append((scratchBlocks, value))
      place = takeScratch()
    case .unary(let function, let x):
      let x = add(x)
      place = append(.unary(function), x, x, x)
    case .binary(let function, let a, let b):
      let (a, b) = (add(a), add(b))
      place = append(.binary(function), a, b, b)
    case .choice(let condition, let a, let b):
      let (condition, a, b) = (add(condition), add(a), add(b))
      place = append(.choice, condition, a, b)
    }
    places[formula] = place
    return place
  }

  private mutating func append(
    _ function: Step.Function, _ a: Place, _ b: Place, _ c: Place
  ) -> Place {
    let place = takeScratch()
    steps.append(Step(function: function, a: a, b: b, c: c, result: place))
    return place
  }

  private mutating func takeScratch() -> Place {
    scratchBlocks += 1
    return .scratch(scratchBlocks - 1)
  }

  /// Computes the output from the inputs.
  func run(_ o: Operands) {
    let count = o.own.count
    // One step without constants is a kernel over everything.
    let block = steps.count == 1 && constants.isEmpty ? max(count, 1) : Self.block
    for (place, value) in constants {
      fill(count: min(block, count), with: value, into: o.workspace + place * block)
    }
    for start in stride(from: 0, to: count, by: block) {
      func pointer(_ place: Place) -> UnsafeMutablePointer<Float> {
        switch place {
        case .input(let index): return UnsafeMutablePointer(mutating: o.ownInput(index)) + start
        case .scratch(let index): return o.workspace + index * block
        case .output: return o.ownOutput + start
        }
      }
      for step in steps {
        step.function.run(
          count: min(block, count - start), pointer(step.a), pointer(step.b), pointer(step.c),
          into: pointer(step.result))
      }
    }
  }
}

/// A thread's share of the elements.
extension Operands {
  fileprivate var own: Range<Int> { share.range(of: count, unit: 16) }

  fileprivate func ownInput(_ index: Int) -> UnsafePointer<Float> {
    input(index) + own.lowerBound
  }

  fileprivate var ownOutput: UnsafeMutablePointer<Float> { output(0) + own.lowerBound }
}

extension FormulaProgram.Step.Function {
  /// The kernel of each primitive function.
  @inline(__always)
  fileprivate func run(
    count n: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .unary(.exponential): exponential(count: n, a, into: y)
    case .unary(.logarithm): logarithm(count: n, a, into: y)
    case .unary(.squareRoot): squareRoot(count: n, a, into: y)
    case .unary(.magnitude): magnitude(count: n, a, into: y)
    case .unary(.sign): sign(count: n, a, into: y)
    case .unary(.relu): relu(count: n, a, into: y)
    case .unary(.silu): silu(count: n, a, into: y)
    case .unary(.siluSlope): siluSlope(count: n, a, into: y)
    case .unary(.tanh): tanh(count: n, a, into: y)
    case .unary(.tanhSlope): tanhSlope(count: n, a, into: y)
    case .unary(.sigmoid): sigmoid(count: n, a, into: y)
    case .unary(.sigmoidSlope): sigmoidSlope(count: n, a, into: y)
    case .unary(.errorFunction): errorFunction(count: n, a, into: y)
    case .unary(.sine): Kernels.sine(count: n, a, into: y)
    case .unary(.cosine): cosine(count: n, a, into: y)
    case .binary(.sum): add(count: n, a, b, into: y)
    case .binary(.difference): subtract(count: n, a, b, into: y)
    case .binary(.product): multiply(count: n, a, b, into: y)
    case .binary(.quotient): divide(count: n, a, b, into: y)
    case .binary(.power): power(count: n, a, b, into: y)
    case .binary(.maximum): maximum(count: n, a, b, into: y)
    case .binary(.minimum): minimum(count: n, a, b, into: y)
    case .binary(.isGreater): isGreater(count: n, a, b, into: y)
    case .binary(.isEqual): isEqual(count: n, a, b, into: y)
    case .choice: choose(count: n, a, b, c, into: y)
    }
  }
}
