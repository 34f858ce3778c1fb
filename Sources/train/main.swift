import Commands

Program.run(TrainCommand.self)
